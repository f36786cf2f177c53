package integration_test

import (
	"errors"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

func TestRemovalEndsBlockedAndLaterCalls(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for word, mode := range modes {
		t.Run(word, func(t *testing.T) {
			empty := openQueue(t, url, "empty-"+word, &jetstream.Config{Mode: mode})
			full := openQueue(t, url, "full-"+word, &jetstream.Config{Mode: mode, MaxMessages: 1})
			if err := full.Send(t.Context(), mq.Message{Type: 1}); err != nil {
				t.Fatal(err)
			}
			blocked := observe(t, url, empty.Name(), full.Name())
			receivers := 1
			calls := map[string]*call{
				"Receive": receiving(t.Context(), empty),
				"Send":    sending(t.Context(), full, mq.Message{Type: 1}),
			}
			if mode == jetstream.LeaseMode {
				r, err := empty.SelectLeases(mq.Any())
				if err != nil {
					t.Fatal(err)
				}
				lease := &call{done: make(chan error, 1)}
				go func() { _, err := r.Lease(t.Context()); lease.done <- err }()
				calls["Lease"] = lease
				receivers++
			}
			blocked(t, mode, receivers)
			// Other handles remove them.
			for _, q := range []*jetstream.Queue{empty, full} {
				other := openQueue(t, url, q.Name(), &jetstream.Config{OpenOnly: true})
				if err := other.Remove(); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			for name, call := range calls {
				if err := call.wait(t); !errors.Is(err, mq.ErrRemoved) || time.Since(start) > 5*time.Second {
					t.Errorf("the blocked %s: %v after %v", name, err, time.Since(start))
				}
			}
			for _, q := range []*jetstream.Queue{empty, full} {
				_, receive := q.Receive(t.Context())
				_, try := q.TryReceive()
				_, stat := q.Stat(t.Context())
				for name, err := range map[string]error{
					"Send":       q.Send(t.Context(), mq.Message{Type: 1}),
					"TrySend":    q.TrySend(mq.Message{Type: 1}),
					"Receive":    receive,
					"TryReceive": try,
					"Stat":       stat,
					"Check":      q.Check(),
				} {
					if !errors.Is(err, mq.ErrRemoved) {
						t.Errorf("a later %s: %v", name, err)
					}
				}
			}
		})
	}
}
