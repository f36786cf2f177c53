package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func statCommand() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "stat ADDR [flags]",
		Short: "Show all that is known about a queue",
		Long: `Stat shows all that the kernel knows about a queue, which of its messages are lent, to
whom, since when and until when, and which processes wait at it (those that this
user may trace, and that do not wait in a poller). The text shows the 20 oldest lent
messages, --json all of them.

` + jetstreamHelp + ` Stat
shows what the servers report, including the number of leases.`,
		Example: `  ipcmq stat 42
  ipcmq stat /jobs --json
  ipcmq stat js:orders --server nats://10.0.0.5:4222`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAnyAddress,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write an object; -1 stands for values that the kernel does not report")
	servers := serverFlag(c)
	c.RunE = servers.at(func(c *cobra.Command, args []string) error {
		a, err := servers.parse(args[0])
		switch {
		case err != nil:
			return err
		case a.Kind == address.JetStream:
			return servers.describe(c.Context(), a, asJSON)
		}
		most := mostLent
		if asJSON {
			most = 0 // all
		}
		d, err := describe(a, most)
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(d)
		}
		return write(os.Stdout, d.text())
	})
	return c
}

// A description is a row of ls and what only stat shows.
type description struct {
	collect.Queue
	CreatorUID *uint32 `json:"creator_uid,omitempty"` // System V
	CreatorGID *uint32 `json:"creator_gid,omitempty"`
	Seq        *uint32 `json:"seq,omitempty"`

	Lent []collect.Lent `json:"lent,omitempty"` // the oldest first
}

// describe looks at a kernel queue, including its oldest lent messages: up to most, all
// if most is 0, or none if it is negative.
func describe(a address.Address, most int) (description, error) {
	if a.Kind == address.Name {
		return describePosix(a)
	}
	q, err := open(a, mq.ReadOnly, false)
	if err != nil {
		return description{}, err
	}
	defer q.Close()
	opened, s, err := collect.OfOpenSysV(q.(*sysv.Queue))
	if err != nil {
		return description{}, err
	}
	found := []collect.Queue{opened}
	_, _ = collect.Wait(found) // if it fails, no process is shown
	d := description{Queue: found[0], CreatorUID: &s.CUID, CreatorGID: &s.CGID, Seq: &s.Seq}
	if most >= 0 && found[0].Leases.Messages() > 0 {
		d.Lent, err = collect.LentOf(q.(*sysv.Queue), most)
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			err = nil
		}
	}
	return d, err
}

func describePosix(a address.Address) (description, error) {
	opened, err := openForOwner(a)
	if err != nil {
		return description{}, err
	}
	defer opened.Close()
	q := opened.(*posix.Queue)
	s, err := q.Stat()
	if err != nil {
		return description{}, err
	}
	found := []collect.Queue{collect.OfOpenPosix(s, q)}
	_, _ = collect.Wait(found)
	return description{Queue: found[0]}, nil
}

func (d description) text() harmless {
	var lines [][]string
	add := func(name, format string, args ...any) {
		lines = append(lines, []string{name, fmt.Sprintf(format, args...)})
	}
	now := time.Now()
	add("address", "%s", d.Address)
	if d.Kind == collect.SysV {
		add("kind", "System V")
		add("key", "%s", d.Key)
		add("id", "%d, sequence %d", *d.ID, *d.Seq)
	} else {
		add("kind", "POSIX")
	}
	add("owner", "%s (%d:%d)", d.Owner, d.UID, d.GID)
	if d.CreatorUID != nil {
		add("creator", "%s (%d:%d)", collect.UserName(*d.CreatorUID), *d.CreatorUID, *d.CreatorGID)
	}
	add("mode", "%s", d.Mode)
	if d.Kind == collect.SysV {
		add("messages", "%s", known(d.Messages))
		add("bytes", "%s of %s (%s)", known(d.Bytes), known(d.Capacity), percent(d.Fill()))
	} else {
		add("messages", "%s of %d (%s)", known(d.Messages), d.MaxMessages, percent(d.Fill()))
		add("bytes", "%s", known(d.Bytes))
		add("largest message", "%d bytes", d.MaxMessageSize)
	}
	if d.Kind == collect.SysV {
		add("last sender", "%s", usedBy(d.LastSender, d.LastSend, now))
		add("last receiver", "%s", usedBy(d.LastReceiver, d.LastReceive, now))
		add("changed", "%s ago, %s", age(now, d.Changed), d.Changed.Format(time.RFC3339))
	} else {
		add("last used", "%s ago, %s", age(now, d.Changed), d.Changed.Format(time.RFC3339))
		notify := "-"
		if d.NotifyPID != 0 {
			notify = collect.UserAt(d.NotifyPID, now).String()
		}
		add("to be notified", "%s", notify)
	}
	lines = append(lines, d.leases(now)...)
	if l := d.Large; l != nil {
		add("large", "%s, %s bytes in shared memory (%s)", plural(l.Payloads, "payload"), amount(int(l.Bytes)), segments(l.Segments))
	}
	if len(d.Waiting) == 0 {
		add("waiting", "-")
	}
	for _, w := range d.Waiting {
		add("waiting", "%s", w)
	}
	return table(lines)
}

func usedBy(p *collect.Process, at *time.Time, now time.Time) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%s, %s ago, %s", p, age(now, *at), at.Format(time.RFC3339))
}
