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

	"ipcmq/internal/address"
	"ipcmq/internal/sys"
	"ipcmq/mq"
	"ipcmq/mq/follow"
)

func recvCommand() *cobra.Command {
	var sel selector
	var count int
	var follows, create, reopen bool
	var large largeFlag
	c := &cobra.Command{
		Use:   "recv ADDR [flags]",
		Short: "Take messages out of a queue",
		Long: `Recv takes a message out of a queue and writes it; it waits if there is none. Each
message is written before the next is taken.

SIGINT, SIGTERM and SIGHUP stop recv; a message that was taken is still written.
If standard output has been closed, recv puts the message back, at the end of the
queue, or reports it with its content on standard error; the status is then 1. If the
reader of a pipe goes away while recv waits, recv takes no more and ends. Anything
written to the pipe and not read by then, up to 64 KiB, is lost.

With --follow the status is 3 only if no message came at all, and 0 if the reader of
a pipe has gone; with -n it is 3 if fewer came. With --reopen, when the queue is
removed, recv waits for another one with the same key or name, continues with it, and
says so on standard error.

Selectors (System V, JetStream):
  0    any, the oldest first        7    type 7
  -7   the lowest type up to 7      !7   all but type 7 (quote it in a shell)
A queue on JetStream in lease mode supports 0 and 7 only, and after one of them was
used refuses the other for 10 minutes.

` + jetstreamHelp + `

` + largeHelp + `

` + formatHelp,
		Example: `  ipcmq recv 42
  ipcmq recv 42 --type -7 --timeout 5s
  ipcmq recv /jobs -n 10 --format json
  ipcmq recv 0x2a --follow --with-type | while read -r type text; do ...; done
  ipcmq recv 42 --follow --no-wait > all-that-is-there
  ipcmq recv 42 --follow --create --reopen | consumer
  ipcmq recv js:orders --follow --timeout 1m`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAnyAddress,
	}
	c.Flags().Var(&sel, "type", "which types to take, a selector")
	c.Flags().IntVarP(&count, "count", "n", 1, "how many messages to take")
	c.Flags().BoolVarP(&follows, "follow", "f", false, "take messages until interrupted or no message comes in time")
	c.Flags().BoolVar(&create, "create", false, "create the queue if it does not exist, as ipcmq create does")
	large.add(c)
	c.Flags().BoolVar(&reopen, "reopen", false, "with --follow: continue with the next queue when this one is removed")
	c.MarkFlagsMutuallyExclusive("count", "follow")
	p := addWaitFlags(c, "for each message")
	f := formatFlags(c)
	servers := serverFlag(c)
	c.RunE = servers.at(func(c *cobra.Command, args []string) error {
		if count < 1 {
			return usagef("-n %d: it must be 1 or more", count)
		}
		a, err := servers.parse(args[0])
		switch {
		case err != nil:
			return err
		case reopen && !follows:
			return usagef("--reopen requires --follow")
		case reopen && a.Kind == address.ID:
			return usagef("--reopen: %v: an id names one queue only; give its key", a)
		}
		openOne := func() (mq.Exchange, error) {
			return large.wrap(servers.openAny(c.Context(), a, mq.ReadOnly, create))
		}
		q, err := openToReceive(a, openOne, reopen)
		if err != nil {
			return err
		}
		if err := f.begin(q, isTerminal(os.Stdout)); err != nil {
			q.Close()
			return err
		}
		ctx, cancel := context.WithCancelCause(c.Context())
		defer cancel(nil)
		out := &output{file: os.Stdout, format: f, watch: func() {
			sys.AwaitHangup(os.Stdout)
			cancel(errNoReader)
		}}
		stop := context.AfterFunc(c.Context(), out.giveUpSoon)
		defer stop()
		return receiveFrom(ctx, q, sel.Selector, p, out, count, follows)
	})
	return c
}

// errNoReader ends recv when nobody reads its output.
var errNoReader = errors.New("nobody reads standard output")

// openToReceive opens the queue at a with openOne; with reopen it follows the key or
// name from queue to queue.
func openToReceive(a address.Address, openOne func() (mq.Exchange, error), reopen bool) (mq.Exchange, error) {
	if !reopen {
		return openOne()
	}
	q, err := follow.Open(openOne, &follow.Config{Changed: func(e follow.Event) {
		switch {
		case e.Err == nil:
			logLine("ipcmq: %v is there again", a)
		case errors.Is(e.Err, mq.ErrRemoved):
			logLine("ipcmq: %v was removed; waiting for another", a)
		default:
			logLine("ipcmq: %s; trying again", explain(e.Err))
		}
	}})
	return exchangeOrNil(q, err)
}

// receiveFrom takes messages from q, which it closes.
func receiveFrom(ctx context.Context, q mq.Exchange, s mq.Selector, p *waitFlags, out *output, count int, follows bool) error {
	defer q.Close()
	r, err := q.Select(s)
	if errors.Is(err, errors.ErrUnsupported) && hasTypes(q) {
		return usageError{err}
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return usagef("messages of POSIX queues have no type to select; the highest priority comes first")
	} else if err != nil {
		return err
	}
	out.from(q)
	return receive(ctx, r, p, out, count, follows)
}

// receive moves count messages from r to out, or with follows all.
func receive(ctx context.Context, r mq.Receiver, p *waitFlags, out *output, count int, follows bool) error {
	var m mq.Message
	for ; follows || out.count < count; out.count++ {
		if err := out.take(ctx, r, p, &m); err != nil {
			ended := errors.Is(err, context.Canceled) && ctx.Err() != nil || status(err) == statusNothing && out.count > 0
			switch {
			case follows && ended:
				return nil
			case ended && context.Cause(ctx) == errNoReader:
				return fmt.Errorf("%w; untaken messages are in the queue", errNoReader)
			}
			return err
		}
		if err := out.write(&m); err != nil {
			return err
		}
	}
	return nil
}

// An output writes the messages that were taken out of a queue.
type output struct {
	file   *os.File
	format *format
	count  int    // of messages written
	watch  func() // waits until nobody reads file; nil once it runs

	buf []byte

	mu     sync.Mutex
	inHand *mq.Message // taken, and not written yet
	queue  mq.Queue    // that it was taken from
}

// from sets the queue that messages are taken from.
func (o *output) from(q mq.Queue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = q
}

// take takes a message. It watches the reader only once it has to wait: until then
// each write shows whether there is still a reader.
func (o *output) take(ctx context.Context, r mq.Receiver, p *waitFlags, m *mq.Message) error {
	if o.watch != nil && ctx.Err() == nil {
		if r.TryReceiveInto(m) == nil {
			return nil
		}
		go o.watch()
		o.watch = nil
	}
	return p.receive(ctx, r, m)
}

// write writes m. If that fails, m is put back or reported.
func (o *output) write(m *mq.Message) error {
	o.hold(m)
	o.buf = o.format.append(o.buf[:0], *m)
	_, err := o.file.Write(o.buf)
	if o.hold(nil) == nil {
		select {} // giveUpSoon puts m back and ends the process
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

// stuckAfter is how long the writing of a message may take after a signal.
const stuckAfter = 2 * time.Second

// giveUpSoon ends the process if nobody reads its output.
func (o *output) giveUpSoon() {
	time.AfterFunc(stuckAfter, func() {
		if m := o.hold(nil); m != nil {
			os.Exit(report(fmt.Errorf("interrupted, and nobody reads standard output; %s", putBack(o.queue, *m))))
		}
	})
}

// putBack sends a message that was taken from q back to it, and returns a text about
// the outcome: if it fails, the text contains the message.
func putBack(q mq.Queue, m mq.Message) string {
	err := func() error {
		w, err := openAgain(q, mq.WriteOnly)
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
