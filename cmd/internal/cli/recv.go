package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/mq"
)

func recvCommand() *cobra.Command {
	var sel selector
	var count int
	var follow bool
	c := &cobra.Command{
		Use:   "recv ADDR [flags]",
		Short: "Take messages out of a queue",
		Long: `Recv takes a message out of a queue and writes it, and waits for one if there is
none. Each message is written before the next is taken.

SIGINT and SIGTERM stop the taking; what was taken is written all the same. If
standard output has been closed, recv puts the message that it had taken back, at
the end of the queue, or reports it with its content on standard error; the
status is 1 then.

With --follow the status is 3 only if nothing came at all, with -n if fewer came.

Selectors (System V):
  0    any, the oldest first        7    type 7
  -7   the lowest type up to 7      !7   all but type 7 (quote it in a shell)

` + formatHelp,
		Example: `  ipcmq recv 42
  ipcmq recv 42 --type -7 --timeout 5s
  ipcmq recv /jobs -n 10 --format json
  ipcmq recv 0x2a --follow --with-type | while read -r type text; do ...; done
  ipcmq recv 42 --follow --no-wait > all-that-is-there`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAddress,
	}
	c.Flags().Var(&sel, "type", "which types to take, a selector")
	c.Flags().IntVarP(&count, "count", "n", 1, "how many messages to take")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "take messages until interrupted, or none comes in time")
	c.MarkFlagsMutuallyExclusive("count", "follow")
	p := patienceFlags(c, "for each message")
	f := formatFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if count < 1 {
			return usagef("-n %d: it is 1 or more", count)
		}
		q, err := openArg(args[0], mq.ReadOnly, false)
		if err != nil {
			return err
		}
		defer q.Close()
		if err := f.begin(q, isTerminal(os.Stdout)); err != nil {
			return err
		}
		r, err := q.Select(sel.Selector)
		if errors.Is(err, errors.ErrUnsupported) {
			return usagef("messages of POSIX queues have no type to select; the highest priority comes first")
		} else if err != nil {
			return err
		}
		out := &output{file: os.Stdout, queue: q, format: f}
		stop := context.AfterFunc(c.Context(), out.giveUpSoon)
		defer stop()
		return receive(c.Context(), r, p, out, count, follow)
	}
	return c
}

// receive moves messages from r to out, count of them or, to follow, all.
func receive(ctx context.Context, r mq.Receiver, p *patience, out *output, count int, follow bool) error {
	var m mq.Message
	for n := 0; follow || n < count; n++ {
		if err := p.receive(ctx, r, &m); err != nil {
			ended := errors.Is(err, context.Canceled) && ctx.Err() != nil || status(err) == statusNothing && n > 0
			if follow && ended {
				return nil
			}
			return err
		}
		if err := out.write(&m); err != nil {
			return err
		}
	}
	return nil
}

// An output is where messages go that were taken out of a queue.
type output struct {
	file   *os.File
	queue  mq.Queue
	format *format

	buf []byte

	mu     sync.Mutex
	inHand *mq.Message // taken, and not written yet
}

// write writes m. If that fails, m is put back or reported.
func (o *output) write(m *mq.Message) error {
	o.hold(m)
	o.buf = o.format.append(o.buf[:0], *m)
	_, err := o.file.Write(o.buf)
	if o.hold(nil) == nil {
		select {} // giveUpSoon puts it back, and ends the process
	}
	if err != nil {
		return fmt.Errorf("write standard output: %w; %s", err, putBack(o.queue, *m))
	}
	return nil
}

func (o *output) hold(m *mq.Message) (before *mq.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before, o.inHand = o.inHand, m
	return before
}

// stuckAfter is how long a message that was taken may take to be written after a
// signal.
const stuckAfter = 2 * time.Second

// giveUpSoon ends the process if nobody reads what is being written.
func (o *output) giveUpSoon() {
	time.AfterFunc(stuckAfter, func() {
		if m := o.hold(nil); m != nil {
			os.Exit(report(fmt.Errorf("interrupted, and nobody reads standard output; %s", putBack(o.queue, *m))))
		}
	})
}

// putBack puts a message that was taken out of q into it again, and says how
// that went: what could not be put back is in the text.
func putBack(q mq.Queue, m mq.Message) string {
	err := func() error {
		w, err := again(q, mq.WriteOnly)
		if err != nil {
			return err
		}
		defer w.Close()
		return w.TrySend(m)
	}()
	if err == nil {
		return "the message that was taken is back, at the end of the queue"
	}
	content, _ := json.Marshal(newJSONMessage(m))
	return fmt.Sprintf("the message that was taken could not be put back (%s), here it is: %s", explain(err), content)
}
