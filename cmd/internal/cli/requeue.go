package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/stream/lease"
)

func requeueCommand() *cobra.Command {
	var sel selector
	var to string
	var count int
	var create bool
	var large largeFlag
	c := &cobra.Command{
		Use:   "requeue ADDR --to ADDR [flags]",
		Short: "Send dead letters back to be worked on",
		Long: `Requeue takes dead letters, which ipcmq work or lease.ToQueue of the library has sent
to a queue, and sends them to another queue, with their original types and payloads. It
ends when it has tried all that were there at its start.

Each is sent before it is removed, so none is lost if requeue is killed; one may be
sent twice. A message that is not a dead letter, or is too large for the other queue,
goes back to the end of its queue, and the status is then 1. SIGINT, SIGTERM and
SIGHUP stop requeue between messages.

A dead letter is a line of text followed by the payload:
ipcmq dead letter {"type":7,"sequence":12,"attempt":5,"time":...,"error":"exit status 3"}
so that ipcmq peek and ipcmq recv show what has failed, and why.

` + jetstreamHelp + ` To
requeue from, it must be in lease mode; either of the two may be a kernel queue.

` + largeHelp,
		Example: `  ipcmq peek 43
  ipcmq requeue 43 --to 42
  ipcmq requeue 43 --to 42 --type 7 -n 1 --timeout 5s`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAnyAddress,
	}
	f := c.Flags()
	f.StringVar(&to, "to", "", "the queue to send to")
	_ = c.MarkFlagRequired("to")
	_ = c.RegisterFlagCompletionFunc("to", completeAnyAddresses)
	f.Var(&sel, "type", "which types to take, a selector as for ipcmq recv")
	f.IntVarP(&count, "count", "n", 0, "how many to send (default: all)")
	p := addWaitFlags(c, "for room")
	large.add(c)
	f.BoolVar(&create, "create", false, "create the queue to send to, with mode 0600, if it does not exist")
	servers := serverFlag(c)
	c.RunE = servers.at(func(c *cobra.Command, args []string) error {
		if f.Changed("count") && count < 1 {
			return usagef("-n %d: it must be 1 or more", count)
		}
		if err := servers.isFor(args[0], to); err != nil {
			return err
		}
		from, err := servers.openLender(c.Context(), args[0], mq.ReadOnly, false)
		if err != nil {
			return err
		}
		lender, err := large.wrap(from, nil)
		if err != nil {
			return err
		}
		defer lender.Close()
		a, err := servers.parseOne(to)
		if err == nil && a.Kind == address.Name {
			err = usagef("--to %v: messages of POSIX queues have no types, and requeue keeps types", a)
		}
		if err != nil {
			return err
		}
		target, err := servers.openAny(c.Context(), a, mq.WriteOnly, create)
		if err != nil {
			return err
		}
		same := isSame(target, from)
		if target, err = large.wrap(target, nil); err != nil {
			return err
		}
		defer target.Close()
		if same {
			return usagef("--to %v: it is the queue itself", a)
		}
		r := &requeuer{from: from, lender: lender, to: target, waitFlags: p}
		bar := startProgress(nil, "messages requeued")
		err = r.run(c.Context(), sel.Selector, count, bar)
		bar.finish()
		logLine("%s sent to %s", plural(r.sent, "message"), to)
		if err == nil && r.kept > 0 {
			err = fmt.Errorf("%s stayed: %w", plural(r.kept, "message"), r.why)
		}
		return err
	})
	return c
}

// A requeuer sends dead letters to a queue.
type requeuer struct {
	from      lender
	lender    mq.Queue // the same, or what wraps it
	to        mq.Queue
	waitFlags *waitFlags

	sent, kept int
	why        error // why the first was kept
}

// run sends up to count messages, or without a count those that are there now, not
// those that become dead letters meanwhile.
func (r *requeuer) run(ctx context.Context, s mq.Selector, count int, bar *progress) error {
	all, err := r.lender.(mq.Leaser).SelectLeases(s)
	if err != nil {
		return err
	}
	letters := all.(interface{ TryLease() (mq.Lease, error) })
	there, err := messagesOf(ctx, r.from)
	if err != nil {
		return err
	}
	for range there {
		if count > 0 && r.sent == count {
			return nil
		}
		if ctx.Err() != nil {
			return errors.New("interrupted: unsent messages are where they were")
		}
		l, err := letters.TryLease()
		if errors.Is(err, mq.ErrEmpty) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.move(ctx, l); err != nil {
			return err
		}
		bar.add(1, 0)
	}
	return nil
}

// move sends one dead letter. If it returns an error, further ones would fail too.
func (r *requeuer) move(ctx context.Context, l mq.Lease) error {
	letter, err := lease.ParseDeadLetter(l.Message())
	if err == nil {
		err = r.send(ctx, l, letter.Message)
	}
	switch {
	case errors.Is(err, lease.ErrNotDeadLetter), errors.Is(err, mq.ErrTooLarge), errors.Is(err, mq.ErrInvalidType):
		r.kept++
		if r.why == nil {
			r.why = err
		}
		return r.putBack(l)
	case errors.Is(err, mq.ErrLeaseOver):
		return nil // this process was suspended, and another one has the message
	case err != nil:
		return errors.Join(err, r.putBack(l))
	}
	r.sent++
	if u, ok := l.(interface{ Uncertain() bool }); letter.Uncertain || letter.Truncated || ok && u.Uncertain() {
		logLine("ipcmq: of message %d, bytes at the end may be missing", letter.Sequence)
	}
	if err := l.Ack(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("message %d was sent, but is still a dead letter: %w", letter.Sequence, err)
	}
	return nil
}

// extendEvery is how often a lease is extended while its message waits for room.
const extendEvery = 10 * time.Second

// send sends a message, and extends its lease meanwhile.
func (r *requeuer) send(ctx context.Context, l mq.Lease, m mq.Message) error {
	sending, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keeping := make(chan struct{})
	go func() {
		defer close(keeping)
		every := time.NewTicker(extendEvery)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				if err := l.Extend(sending); err != nil && sending.Err() == nil {
					cancel(err)
					return
				}
			case <-sending.Done():
				return
			}
		}
	}()
	err := r.waitFlags.send(sending, r.to, m)
	cancel(nil)
	<-keeping
	return err
}

// putBack moves a message to the end of its queue, where everybody can see it. If there
// is no room any more the message is given back.
func (r *requeuer) putBack(l mq.Lease) error {
	ctx := context.Background()
	w, err := openAgain(r.lender, mq.WriteOnly)
	if err == nil {
		defer w.Close()
		if err = w.TrySend(l.Message()); err == nil {
			return l.Ack(ctx)
		}
	}
	return l.Nak(ctx, 0)
}
