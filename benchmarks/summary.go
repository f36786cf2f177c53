package main

import (
	"fmt"
	"io"
	"path/filepath"
)

// A highlight is a line of the table in README.md.
type highlight struct {
	work string
	row  string // the name of a row of ours
	than string // an alternative; empty for the C program
}

// highlights are the rows that users ask about. Those that a run did not measure
// are left out.
var highlights = []highlight{
	{"in one process, ReceiveInto", "sysv/one-process/ReceiveInto/64", ""},
	{"in one process, Receive", "sysv/one-process/Receive/64", ""},
	{"in one process, ReceiveInto, 8 KiB", "sysv/one-process/ReceiveInto/8192", ""},
	{"in one process, ReceiveInto, POSIX", "posix/one-process/ReceiveInto/64", ""},
	{"one way, ReceiveInto", "sysv/one-way/ReceiveInto/64", ""},
	{"one way, channel of a stream", "sysv/one-way/channel/64", ""},
	{"one way, channel of a subscription", "sysv/one-way/subscription/64", ""},
	{"one way, channel, 8 KiB", "sysv/one-way/channel/8192", ""},
	{"one way, ReceiveInto, POSIX", "posix/one-way/ReceiveInto/64", ""},
	{"one way, channel, POSIX", "posix/one-way/channel/64", ""},
	{"one way, channel, next to a busy process", "sysv/beside-1-one-way/channel/64", ""},
	{"round trip, ReceiveInto", "sysv/round-trip/ReceiveInto/64", ""},
	{"round trip, channels", "sysv/round-trip/channel/64", ""},
	{"round trip, subscriptions", "sysv/round-trip/subscription/64", ""},
	{"round trip, ReceiveInto, POSIX", "posix/round-trip/ReceiveInto/64", ""},
	{"round trip, channels, next to a busy process", "sysv/beside-1-round-trip/channel/64", ""},
	{"round trip, ReceiveInto and C polling", "sysv/spinning/ReceiveInto+spin/64", ""},
	{"request and reply", "sysv/request/Request/64", ""},
	{"request and reply, POSIX", "posix/request/Request/64", ""},
	{"requests of 16 callers", "sysv/callers-16/Request/64", ""},
	{"lease and acknowledge", "alternatives/leases/Lease, Ack/64", ""},
	{"batches, AllInto", "alternatives/batches/batch AllInto/64", ""},
	{"one way, ReceiveInto", "alternatives/one-way/ReceiveInto/64", "Unix stream"},
	{"one way, batches, AllInto", "alternatives/batches/batch AllInto/64", "Unix stream, buffered"},
	{"round trip, channels", "alternatives/round-trip/channel/64", "Unix stream"},
	{"request and reply", "alternatives/request/Request/64", "Unix stream"},
	{"requests of 16 callers", "alternatives/callers/Request/64", "Unix stream"},
	{"requests of 16 callers", "alternatives/callers/Request/64", "NATS"},
	{"lease and acknowledge", "alternatives/leases/Lease, Ack/64", "JetStream, memory"},
	{"payloads of 1 MiB", "alternatives/large/large ReceiveInto/1048576", "Unix stream"},
}

// mainPictures are the curves whose first pictures README.md shows.
var mainPictures = []string{"size-one-way-sysv", "callers", "senders", "backlog"}

// writeSummary writes the summary of a run in README.md, as Markdown.
func writeSummary(w io.Writer, all results) {
	fmt.Fprintf(w, "%s\n\n", all.Machine)
	fmt.Fprintln(w, "| work | compared with | our speed (theirs = 1) | least to greatest | ours, ns |")
	fmt.Fprintln(w, "|---|---|--:|--:|--:|")
	for _, h := range highlights {
		mine, ok := all.row(h.row)
		if !ok {
			continue
		}
		than, speed := "C", mine.Speed
		if h.than != "" {
			if than, speed, ok = all.against(mine, h.than); !ok {
				continue
			}
		} else if mine.Than != "" {
			than = mine.Than
		}
		fmt.Fprintf(w, "| %s | %s | **%.2f** | %s | %.0f |\n", h.work, than, speed.Median, speed.span(), mine.NS)
	}
	for _, name := range mainPictures {
		for _, g := range all.Growth {
			if g.Name == name {
				p := g.pictures()[0]
				fmt.Fprintf(w, "\n![%s: %s](%s)\n", g.Title, p.label, filepath.ToSlash(filepath.Join("results", p.file)))
			}
		}
	}
}

// row returns the row with that name.
func (all results) row(name string) (result, bool) {
	for _, r := range all.Rows {
		if r.Name == name && r.Failed == "" {
			return r, true
		}
	}
	return result{}, false
}

// against returns how fast a row of ours is in comparison with another contender of
// its contest.
func (all results) against(mine result, other string) (than string, speed spread, ok bool) {
	for _, r := range all.Rows {
		if r.Group == mine.Group && r.Shape == mine.Shape && r.Size == mine.Size && r.Layer == other {
			speed, ok = r.Ahead[mine.Layer]
			return r.Layer, speed, ok
		}
	}
	return "", spread{}, false
}
