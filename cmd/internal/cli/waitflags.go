package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/mq"
)

// waitFlags limit how long to wait for a message or for room.
type waitFlags struct {
	timeout time.Duration
	noWait  bool
}

func addWaitFlags(c *cobra.Command, what string) *waitFlags {
	p := &waitFlags{}
	c.Flags().DurationVar(&p.timeout, "timeout", 0, "how long to wait "+what+", such as 500ms, 5s or 2m (default: forever)")
	c.Flags().BoolVar(&p.noWait, "no-wait", false, "do not wait")
	c.MarkFlagsMutuallyExclusive("timeout", "no-wait")
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed("timeout") && p.timeout <= 0 {
			return usagef("--timeout %v: it must be more than 0 (see --no-wait)", p.timeout)
		}
		return nil
	}
	return p
}

func (p *waitFlags) receive(ctx context.Context, r mq.Receiver, m *mq.Message) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	if p.noWait {
		return r.TryReceiveInto(m)
	}
	if p.timeout > 0 {
		if err := r.TryReceiveInto(m); err == nil {
			return nil // without the cost of a timer
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.timeout)
		defer cancel()
	}
	return r.ReceiveInto(ctx, m)
}

func (p *waitFlags) send(ctx context.Context, s mq.Sender, m mq.Message) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	if p.noWait {
		return s.TrySend(m)
	}
	if p.timeout > 0 {
		if err := s.TrySend(m); err == nil {
			return nil
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.timeout)
		defer cancel()
	}
	return s.Send(ctx, m)
}

// interrupted returns the error of ctx if a signal has ended it.
func interrupted(ctx context.Context) error { return ctx.Err() }
