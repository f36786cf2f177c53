package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/internal/address"
	"ipcmq/mq/jetstream"
)

// A createMode is a flag for permissions, or for the mode of a queue on JetStream.
type createMode struct {
	mode   modeFlag
	remote jetstream.Mode // 0 for permissions
}

var remoteModes = map[string]jetstream.Mode{"lease": jetstream.LeaseMode, "claim": jetstream.ClaimMode}

func (m *createMode) Type() string { return "mode" }
func (m *createMode) String() string {
	for name, mode := range remoteModes {
		if mode == m.remote {
			return name
		}
	}
	return m.mode.String()
}

func (m *createMode) Set(s string) error {
	if m.remote = remoteModes[s]; m.remote != 0 {
		return nil
	}
	if err := m.mode.Set(s); err != nil {
		return fmt.Errorf("%w; for a queue on JetStream it must be lease or claim", err)
	}
	return nil
}

// remoteChoices are flags for the creation of queues on JetStream only.
type remoteChoices struct {
	replicas int
	memory   bool
	ackWait  time.Duration
}

func (r *remoteChoices) add(c *cobra.Command) {
	c.Flags().IntVar(&r.replicas, "replicas", 0, "servers that keep each message (JetStream; default: 3 in a cluster, else 1)")
	c.Flags().BoolVar(&r.memory, "memory", false, "keep messages in the memory of the servers, not on disk (JetStream)")
	c.Flags().DurationVar(&r.ackWait, "ack-wait", 0, "how long a lease lasts unless it is extended (JetStream; default: 30s)")
}

// in returns cfg with these choices.
func (r *remoteChoices) in(cfg jetstream.Config) jetstream.Config {
	cfg.Replicas, cfg.AckWait = r.replicas, r.ackWait
	if r.memory {
		cfg.Storage = jetstream.Memory
	}
	return cfg
}

// refuse returns an error if one was given for a queue of the kernel.
func (r *remoteChoices) refuse(c *cobra.Command, a address.Address) error {
	for _, name := range []string{"replicas", "memory", "ack-wait"} {
		if c.Flags().Changed(name) {
			return usagef("--%s is for queues on JetStream, such as js:orders; %v is a kernel queue", name, a)
		}
	}
	return nil
}

// create creates the queue at a.
func (s *natsServers) create(ctx context.Context, a address.Address, cfg jetstream.Config) error {
	q, err := s.open(ctx, a, cfg)
	if err != nil {
		return err
	}
	defer q.Close()
	return printLine("%s %s", madeOrFound(q.Created()), a)
}

// change changes the queue at a.
func (s *natsServers) change(ctx context.Context, a address.Address, change func(*jetstream.Settings)) error {
	q, err := s.open(ctx, a, jetstream.Config{OpenOnly: true})
	if err != nil {
		return err
	}
	defer q.Close()
	setting, cancel := context.WithTimeoutCause(ctx, answerIn, errNoAnswer)
	defer cancel()
	return unanswered(q.Set(setting, change))
}

// remove removes the queue at a.
func (s *natsServers) remove(ctx context.Context, a address.Address) error {
	q, err := s.open(ctx, a, jetstream.Config{OpenOnly: true})
	if err != nil {
		return err
	}
	defer q.Close()
	return q.Remove()
}
