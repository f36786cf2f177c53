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
		Long: `Ls lists every queue of the IPC namespace: how to address it, id, owner, mode,
messages, bytes used of its capacity (POSIX: messages of the most it can hold),
messages that are lent, the processes that sent and received last, and how long ago
they did. One that has ended is gone; of one that this user may not see there is the
number alone. What is lent is in the queue no more, and not lost: of 5 (2 due, 1 dead),
2 go to whoever leases next, one of them since its holder has ended.

A private queue, one without a key, is addressed by its id. POSIX queues do not
tell who used them, and need a mounted mqueue file system to be listed. A name
with blanks, characters that cannot be seen, or bytes that are no UTF-8 becomes
an address such as name:/a%0Ab, here and in JSON. In names of processes and
users, and in errors, such characters are written as \x0a.

If queues of a kind cannot be listed, or one of them cannot be told of, standard
error says so and the status is 1: an empty list means that there are none.

With js: or --server it lists the queues on JetStream at the server of --server or
$NATS_URL instead: ipcmq help says how to log in there. Their messages include those
that are lent.`,
		Example: `  ipcmq ls
  ipcmq ls --json | jq '.[] | select(.messages > 100)'
  ipcmq ls --server nats://10.0.0.5:4222`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] != jetstreamPrefix {
				return usagef("ls lists all queues, or with js: those on JetStream; ipcmq stat shows one")
			}
			return nil
		},
		ValidArgs: []cobra.Completion{cobra.CompletionWithDesc(jetstreamPrefix, "queues on JetStream")},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write an array of objects; -1 is what the kernel does not tell")
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
			err = cmp.Or(err, errTold)
		}
		return err
	})
	return c
}

// writeJSON writes v to standard output. What could command a terminal in a
// string is written as escapes of JSON, which mean the same.
func writeJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(appendJSON(nil, b), '\n'))
	return err
}

// writeJSONLine is writeJSON without newlines but the last.
func writeJSONLine(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(appendJSON(nil, b), '\n'))
	return err
}

// appendJSON appends JSON with escapes for what cannot be seen. Outside of its
// strings there are newlines alone.
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

// listing is rows as a table.
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
