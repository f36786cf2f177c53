package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
)

func lsCommand() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "ls [js:] [flags]",
		Short: "List all queues, System V and POSIX",
		Long: `Ls lists every queue of the IPC namespace: its address, id, owner, mode, messages,
bytes used of its capacity (POSIX: messages of the most it can hold), messages that
are lent, the processes that last sent and received, and how long ago they did.
A process that has ended is marked (gone); of a process that this user may not see, ls
shows only the number. Lent messages are no longer in the queue, but not lost: of
5 (2 due, 1 dead), 2 go to whoever leases next, one of them because its holder ended.

The address of a private queue, one without a key, is its id. The kernel does not
record who used a POSIX queue, and lists POSIX queues only in a mounted mqueue file
system. A name with blanks, invisible characters, or bytes that are not UTF-8 becomes
an address such as name:/a%0Ab, here and in JSON. In names of processes and users,
and in errors, such characters are written as \x0a.

If some queues cannot be listed, standard error says so and the status is 1: an empty
list means that there are none.

With js: or --server it lists the queues on JetStream at the server of --server or
$NATS_URL instead: ipcmq help explains how to log in there. Their messages include
lent ones.`,
		Example: `  ipcmq ls
  ipcmq ls --json | jq '.[] | select(.messages > 100)'
  ipcmq ls --server nats://10.0.0.5:4222`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] != jetstreamPrefix {
				return usagef("ls lists all queues, or with js: all queues on JetStream; ipcmq stat shows one")
			}
			return nil
		},
		ValidArgs: []cobra.Completion{cobra.CompletionWithDesc(jetstreamPrefix, "queues on JetStream")},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write an array of objects; -1 stands for values that the kernel does not report")
	servers := serverFlag(c)
	c.RunE = servers.at(func(c *cobra.Command, args []string) error {
		if len(args) > 0 || servers.flag != "" {
			return servers.writeList(c.Context(), asJSON)
		}
		l := collect.List()
		err := error(nil)
		if asJSON {
			err = writeJSON(append([]collect.Queue{}, l.Queues...))
		} else {
			err = write(os.Stdout, listing(l.Queues, time.Now()))
		}
		for _, p := range l.Problems() {
			report(p)
			err = cmp.Or(err, errReported)
		}
		return err
	})
	return c
}

// writeJSON writes v to standard output. It writes characters that could control a
// terminal as JSON escapes, which mean the same.
func writeJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(appendJSON(nil, b), '\n'))
	return err
}

// writeJSONLine is writeJSON on a single line.
func writeJSONLine(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(appendJSON(nil, b), '\n'))
	return err
}

// appendJSON appends JSON with escapes for invisible characters. Outside of strings
// the only one is the newline.
func appendJSON(b, json []byte) []byte {
	for _, r := range string(json) { // the encoder writes UTF-8 only
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}

// listing returns rows as a table.
func listing(rows []collect.Queue, now time.Time) harmless {
	lines := [][]string{{"QUEUE", "ID", "OWNER", "MODE", "MESSAGES", "USED", "CAPACITY", "FULL", "LENT", "LAST SENDER", "LAST RECEIVER", "SENT", "RECEIVED", "CHANGED"}}
	for _, r := range rows {
		id, used, capacity := "-", known(r.Bytes), known(r.Capacity)
		if r.ID != nil {
			id = strconv.Itoa(*r.ID)
		}
		if r.Kind == collect.Posix {
			capacity = "-"
			if r.MaxMessages > 0 {
				capacity = fmt.Sprintf("%dx%d", r.MaxMessages, r.MaxMessageSize)
			}
		}
		mode := r.Mode
		if r.Inbox {
			mode += " inbox"
		}
		lines = append(lines, []string{r.Address, id, r.Owner, mode, known(r.Messages), used, capacity, percent(r.Fill()), lentIn(r),
			nameOf(r.LastSender), nameOf(r.LastReceiver), since(now, r.LastSend), since(now, r.LastReceive), age(now, r.Changed)})
	}
	return table(lines, 1, 4, 5, 6, 7, 11, 12, 13)
}

func known(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func percent(f float64) string {
	if f < 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*f)
}

func nameOf(p *collect.Process) string {
	if p == nil {
		return "-"
	}
	return p.String()
}

func since(now time.Time, t *time.Time) string {
	if t == nil {
		return "-"
	}
	return age(now, *t)
}
