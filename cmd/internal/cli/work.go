package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/mq"
	"ipcmq/stream/lease"
)

func workCommand() *cobra.Command {
	w := &worker{}
	var sel selector
	var create bool
	var large largeFlag
	var delay, drain time.Duration
	c := &cobra.Command{
		Use:   "work ADDR [flags] -- COMMAND [ARG...]",
		Short: "Run a command for each message, without losing any",
		Long: `Work runs COMMAND for each message of a queue, with the message as its standard
input. If COMMAND ends with status 0, the message is removed. Otherwise it is given
back and tried again after a delay, by this worker or another, even if COMMAND is
killed by a signal, or the worker is killed or hangs. So no message is lost, but one
may be handled twice: COMMAND must tolerate that, and IPCMQ_SEQUENCE identifies the
message. Its output goes to that of work, standard error by whole lines.

The environment of COMMAND has
IPCMQ_TYPE       the type of the message
IPCMQ_SEQUENCE   its number, the same in every attempt
IPCMQ_ATTEMPT    the number of the attempt, from 1; attempts that were killed count
IPCMQ_UNCERTAIN  1 if bytes at the end may be missing, which is rare; otherwise 0

With --attempts N, a message goes to the queue of --dead-letter after N failed
attempts, with its type and the reason: see ipcmq requeue, which sends dead letters
back. If that queue has no room the message waits, and is tried there again after the
delay, but at least 1s; if that queue was removed, work ends.

COMMAND has a process group of its own. It is killed, with the children that it has
left there, when --timeout is over. A ^C at the terminal does not reach it, but if the
worker itself is killed, so is COMMAND, though not its children. SIGINT, SIGTERM and
SIGHUP end work: it takes no more messages, and running commands get as long as --grace.
Then they are killed, and their messages given back without delay.

Messages being worked on, and those given back, up to 256 in all, are in shared memory
that belongs to a System V queue, which must have a key. There ipcmq recv does not see
them, but ipcmq peek --lent does. They last as long as the queue: until it is removed,
the system restarts, or the container with its IPC namespace ends.

` + jetstreamHelp + ` It must
be in lease mode. Then workers may be on several hosts: if a host fails, other workers
get its messages when their leases run out (ipcmq create --ack-wait). While no server
answers, work waits.

` + largeHelp,
		Example: `  ipcmq work 42 -- ./handle-order
  ipcmq work 42 --jobs 4 --timeout 1m --attempts 5 --dead-letter 43 --create -- ./handle-order
  ipcmq work js:orders --attempts 5 --dead-letter js:failed --create -- ./handle-order
  ipcmq work 42 --type 7 -- sh -c 'curl --fail --data-binary @- https://example.org/events'`,
		Args: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 1 || len(args) < 2 {
				return usagef("work needs ADDR -- COMMAND [ARG...]")
			}
			return nil
		},
		ValidArgsFunction: completeAnyAddress,
	}
	f := c.Flags()
	f.Var(&sel, "type", "which types to take, a selector as for ipcmq recv")
	f.IntVar(&w.cfg.Concurrency, "jobs", 1, "how many commands may run at once")
	f.IntVar(&w.cfg.MaxAttempts, "attempts", 0, "after how many attempts a message becomes a dead letter (default: never)")
	f.StringVar(&w.deadName, "dead-letter", "", "the queue for dead letters, needed with --attempts")
	f.DurationVar(&w.timeout, "timeout", 0, "kill a command that takes longer, such as 30s or 5m (default: never)")
	f.DurationVar(&delay, "retry-delay", 0, "how long to wait before the next attempt (default: 1s, doubling up to 1m)")
	f.DurationVar(&drain, "grace", grace/2, "how long running commands may take after a signal")
	large.add(c)
	f.BoolVar(&create, "create", false, "create queues, with mode 0600, if they do not exist")
	_ = c.RegisterFlagCompletionFunc("dead-letter", completeAnyAddresses)
	servers := serverFlag(c)
	c.RunE = servers.at(func(c *cobra.Command, args []string) (err error) {
		switch {
		case w.cfg.Concurrency < 1:
			return usagef("--jobs %d: it must be 1 or more", w.cfg.Concurrency)
		case f.Changed("attempts") && w.cfg.MaxAttempts < 1:
			return usagef("--attempts %d: it must be 1 or more", w.cfg.MaxAttempts)
		case f.Changed("attempts") != f.Changed("dead-letter"):
			return usagef("--attempts and --dead-letter go together")
		case f.Changed("timeout") && w.timeout <= 0:
			return usagef("--timeout %v: it must be more than 0", w.timeout)
		case delay < 0:
			return usagef("--retry-delay %v: it must be 0s or more", delay)
		case drain < 0:
			return usagef("--grace %v: it must be 0s or more", drain)
		}
		if w.program, err = findProgram(args[1:]); err != nil {
			return err
		}
		if err := servers.isFor(args[0], w.deadName); err != nil {
			return err
		}
		q, err := servers.openLender(c.Context(), args[0], mq.ReadOnly, create)
		if err != nil {
			return err
		}
		from, err := large.wrap(q, nil)
		if err != nil {
			return err
		}
		defer from.Close()
		if f.Changed("dead-letter") {
			dead, err := servers.openLender(c.Context(), w.deadName, mq.WriteOnly, create)
			if err != nil {
				return err
			}
			if w.dead, err = large.wrap(dead, nil); err != nil {
				return err
			}
			defer w.dead.Close()
			if isSame(dead, q) {
				return usagef("--dead-letter %s: it is the queue itself", w.deadName)
			}
			w.cfg.DeadLetter = w.bury
		}
		if f.Changed("retry-delay") {
			w.cfg.RetryDelay = func(attempt int, _ error) time.Duration {
				if w.dead != nil && attempt >= w.cfg.MaxAttempts {
					return max(delay, time.Second) // the other queue has no room, maybe for a long time
				}
				return delay
			}
		}
		w.cfg.Select, w.cfg.Drain, w.cfg.OnError = sel.Selector, drain, logAttempt
		graceAtEnd(drain)
		ctx, end := context.WithCancelCause(c.Context())
		defer end(nil)
		w.end = end
		err = lease.Handle(ctx, from, w.handle, &w.cfg)
		if err == nil && c.Context().Err() == nil {
			err = context.Cause(ctx)
		}
		return err
	})
	return c
}

// A worker runs a program for messages.
type worker struct {
	program  program
	timeout  time.Duration
	cfg      lease.Config
	dead     mq.Exchange
	deadName string // as given by the user
	end      context.CancelCauseFunc
}

// errTimeout means that a program took longer than --timeout.
var errTimeout = errors.New("took longer than --timeout")

// handle runs the program for one message.
func (w *worker) handle(ctx context.Context, d lease.Delivery) error {
	running := ctx
	if w.timeout > 0 {
		var cancel context.CancelFunc
		running, cancel = context.WithTimeoutCause(ctx, w.timeout, fmt.Errorf("%w %v", errTimeout, w.timeout))
		defer cancel()
	}
	out := io.Writer(os.Stdout)
	if isTerminal(os.Stdout) {
		lines := &relay{to: os.Stdout}
		defer lines.end()
		out = lines
	}
	done, err := w.program.run(running, d.Data, environment(d), out)
	switch {
	case done:
		return nil // whatever else went wrong, it has done its work
	case running.Err() != nil:
		return fmt.Errorf("%s was killed: %w", w.program.path, context.Cause(running))
	}
	return err
}

// environment returns the variables that describe a message to a program.
func environment(d lease.Delivery) []string {
	uncertain := 0
	if d.Uncertain {
		uncertain = 1
	}
	return []string{
		fmt.Sprintf("IPCMQ_TYPE=%d", d.Type),
		fmt.Sprintf("IPCMQ_SEQUENCE=%d", d.Sequence),
		fmt.Sprintf("IPCMQ_ATTEMPT=%d", d.Attempt),
		fmt.Sprintf("IPCMQ_UNCERTAIN=%d", uncertain),
	}
}

// bury makes a message a dead letter. If the queue for dead letters was removed the
// worker ends: it would not notice a new one.
func (w *worker) bury(ctx context.Context, d lease.Delivery, reason error) error {
	err := lease.ToQueue(w.dead)(ctx, d, reason)
	switch {
	case errors.Is(err, mq.ErrRemoved):
		w.end(err)
	case err == nil:
		logLine("ipcmq: message %d is a dead letter now, in %s", d.Sequence, w.deadName)
	}
	return err
}

func logAttempt(d lease.Delivery, err error) {
	logLine("ipcmq: message %d, attempt %d: %s", d.Sequence, d.Attempt, explain(err))
}
