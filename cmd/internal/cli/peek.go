package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func peekCommand() *cobra.Command {
	count, lent := 0, false
	c := &cobra.Command{
		Use:   "peek ADDR [flags]",
		Short: "Look at waiting messages without taking them",
		Long: `Peek writes the messages waiting in a System V queue, the oldest first, and leaves
them there. Messages that are taken meanwhile may be missing. The messages of POSIX
queues cannot be seen.

` + jetstreamHelp + ` There,
waiting messages include lent ones.

The kernel counts from the oldest message to each one that it shows, so the cost
grows with the square of their number: 20,000 take seconds, during which others wait
for the queue. Unless -n is given peek stops after 1,000 messages, and says so if
there are more.

With --lent it writes the lent messages of the queue instead: those that processes
have on lease, and those that were given back. In JSON each has its number, how many
times it was lent, who has it, since when and until when, as in ipcmq stat.

` + formatHelp,
		Example: `  ipcmq peek 42
  ipcmq peek id:7 -n 3 --format json
  ipcmq peek 42 --lent --with-type
  ipcmq peek js:orders`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAnyAddress,
	}
	c.Flags().IntVarP(&count, "count", "n", 0, "how many messages (default: all, up to 1000)")
	c.Flags().BoolVar(&lent, "lent", false, "show lent messages instead of waiting ones")
	f := formatFlags(c)
	servers := serverFlag(c)
	c.RunE = servers.at(func(c *cobra.Command, args []string) error {
		if count < 0 || count == 0 && c.Flags().Changed("count") {
			return usagef("-n %d: it must be 1 or more", count)
		}
		a, err := servers.parse(args[0])
		switch {
		case err != nil:
			return err
		case a.Kind == address.JetStream && lent:
			return usagef("--lent: %v is on JetStream, where waiting messages include lent ones", a)
		case a.Kind == address.JetStream:
			return servers.peek(c.Context(), a, f, count)
		}
		q, err := open(a, mq.ReadOnly, false)
		if err != nil {
			return err
		}
		defer q.Close()
		s, ok := q.(*sysv.Queue)
		if !ok {
			return &mq.Error{Op: "peek", Queue: args[0], Kind: errors.ErrUnsupported,
				Detail: "the kernel shows messages of System V queues only; of a POSIX queue they can be taken: ipcmq recv"}
		}
		if err := f.begin(q, isTerminal(os.Stdout)); err != nil {
			return err
		}
		if lent {
			return peekLent(c.Context(), s, f, count)
		}
		var line []byte
		bounded := count == 0
		if bounded {
			count = peekBound
		}
		for i := 0; i < count; i++ {
			if err := interrupted(c.Context()); err != nil {
				return err
			}
			m, err := s.Peek(i)
			if errors.Is(err, mq.ErrEmpty) && i > 0 {
				return nil
			}
			if errors.Is(err, mq.ErrEmpty) {
				return &mq.Error{Op: "peek", Queue: s.String(), Kind: mq.ErrEmpty, Detail: "there is no message"}
			}
			if err != nil {
				return err
			}
			line = f.append(line[:0], m)
			if _, err := os.Stdout.Write(line); err != nil {
				return err
			}
		}
		if now, err := s.Stat(); bounded && err == nil && now.Messages > peekBound {
			logLine("ipcmq: these are the oldest %s of %s; -n %d shows all", amount(peekBound), plural(int(now.Messages), "message"), now.Messages)
		}
		return nil
	})
	return c
}

// peekBound is how many messages peek shows without -n.
const peekBound = 1000

// peekLent writes the messages that are lent, up to count, or peekBound if that is 0.
func peekLent(ctx context.Context, q *sysv.Queue, f *format, count int) error {
	none := &mq.Error{Op: "peek", Queue: q.String(), Kind: mq.ErrEmpty, Detail: "no message is lent"}
	bounded := count == 0
	if bounded {
		count = peekBound
	}
	all, err := collect.LentOf(q, count)
	if errors.Is(err, fs.ErrNotExist) {
		return none
	}
	if err != nil {
		return err
	}
	shown := 0
	var line []byte
	for _, l := range all {
		if err := interrupted(ctx); err != nil {
			return err
		}
		m, err := l.Message()
		if errors.Is(err, mq.ErrEmpty) { // already settled
			continue
		}
		if err != nil {
			return err
		}
		line = f.appendLent(line[:0], l, m)
		if _, err := os.Stdout.Write(line); err != nil {
			return err
		}
		shown++
	}
	if shown == 0 {
		return none
	}
	if now, _, err := collect.OfOpenSysV(q); bounded && err == nil && now.Leases.Messages() > peekBound {
		logLine("ipcmq: these are the oldest %s of %s; -n %d shows all", amount(peekBound), plural(now.Leases.Messages(), "message"), now.Leases.Messages())
	}
	return nil
}
