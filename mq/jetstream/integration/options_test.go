package integration_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// A sender that starts again, not knowing how far it got, adds nothing twice.
func TestAMessageWithAnIDIsStoredOnce(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, mode := range bothModes {
		for _, storage := range []jetstream.Storage{jetstream.File, jetstream.Memory} {
			name := newName()
			q := openQueue(t, url, name, &jetstream.Config{Mode: mode, Storage: storage})
			sendIDs(t, q, "a", "b")
			restarted := openQueue(t, url, name, nil)
			sendIDs(t, restarted, "a", "b", "c")
			holds(t, q, 3, 0)
			receiveAll(t, q, mq.Message{Type: 1, Data: []byte("a")}, mq.Message{Type: 1, Data: []byte("b")}, mq.Message{Type: 1, Data: []byte("c")})
			sendIDs(t, restarted, "c") // even if it was received meanwhile
			holds(t, q, 0, 0)
		}
	}
}

func sendIDs(t *testing.T, q mq.Queue, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := mq.SendWith(t.Context(), q, mq.Message{Type: 1, Data: []byte(id)}, mq.SendOptions{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALeaseHasTheIDOfItsMessageAndWhenItWasStored(t *testing.T) {
	t.Parallel()
	q := openQueue(t, startServer(t, nil), newName(), nil)
	before := time.Now()
	sendIDs(t, q, "order-17")
	sendAll(t, q, mq.Message{Type: 1})
	r := leases(t, q, mq.Any())
	for _, want := range []string{"order-17", ""} {
		l, err := r.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if id := mq.IDOf(l); id == "" || want != "" && id != want {
			t.Errorf("the id is %q, not %q", id, want)
		}
		if at := mq.StoredAt(l); at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("stored at %v, between %v and %v", at, before, time.Now())
		}
		if err := l.Ack(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestAMessageWithATTLIsRemoved(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, mode := range bothModes {
		for _, storage := range []jetstream.Storage{jetstream.File, jetstream.Memory} {
			q := openQueue(t, url, newName(), &jetstream.Config{Mode: mode, Storage: storage})
			for _, ttl := range []time.Duration{time.Hour, time.Nanosecond, 1500 * time.Millisecond} {
				m := mq.Message{Type: 1, Data: []byte(ttl.String())}
				if err := q.SendWith(t.Context(), m, mq.SendOptions{TTL: ttl, ID: ttl.String()}); err != nil {
					t.Fatal(err)
				}
			}
			if s, err := q.Stat(t.Context()); err != nil || !s.TTL {
				t.Errorf("%+v, %v", s, err)
			}
			var lent mq.Lease
			if mode == jetstream.LeaseMode { // one that will be removed too
				r := leases(t, q, mq.Any())
				for range 2 {
					l, err := r.Lease(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if lent != nil {
						defer func(l mq.Lease) {
							if err := l.Ack(t.Context()); err != nil {
								t.Errorf("ack of what is gone: %v", err)
							}
						}(l)
					}
					lent = l
				}
			}
			await(t, func() error {
				s, err := q.Stat(t.Context())
				if err == nil && s.Messages != 1 {
					err = errors.New("there is more than the message that lives an hour")
				}
				return err
			})
		}
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	q := openQueue(t, startServer(t, nil), newName(), &jetstream.Config{MaxBytes: 5000})
	m := mq.Message{Type: 1}
	wants(t, q.SendWith(t.Context(), m, mq.SendOptions{ID: "a b"}), mq.ErrInvalidConfig, `"a b"`)
	wants(t, q.SendWith(t.Context(), m, mq.SendOptions{TTL: -time.Second}), mq.ErrInvalidConfig, "-1s")
	wants(t, q.SendWith(t.Context(), m, mq.SendOptions{TTL: 1<<63 - 1}), mq.ErrInvalidConfig, "876000h")
	m.Data = make([]byte, q.Capabilities().MaxPayload)
	wants(t, q.SendWith(t.Context(), m, mq.SendOptions{ID: strings.Repeat("x", 128)}), mq.ErrTooLarge, "MaxBytes = 5000")
	wants(t, q.SendWith(t.Context(), m, mq.SendOptions{TTL: time.Hour}), mq.ErrTooLarge, "MaxBytes = 5000")
	holds(t, q, 0, 0)
	if err := q.SendWith(t.Context(), m, mq.SendOptions{ID: "short"}); err != nil {
		t.Error(err)
	}
}

// The IDWindow and TTL of a queue are changed.
func TestIDWindowAndTTLOfAQueueThatExists(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, "long", &jetstream.Config{IDWindow: time.Hour})
	if s, err := q.Stat(t.Context()); err != nil || s.IDWindow != time.Hour {
		t.Errorf("%+v, %v", s, err)
	}
	if err := q.Set(t.Context(), func(s *jetstream.Settings) { s.IDWindow *= 2 }); err != nil {
		t.Fatal(err)
	}
	if s, err := q.Stat(t.Context()); err != nil || s.IDWindow != 2*time.Hour || !s.TTL {
		t.Errorf("%+v, %v", s, err)
	}
	wants(t, q.Set(t.Context(), func(s *jetstream.Settings) { s.IDWindow = time.Minute }), mq.ErrInvalidConfig, "IDWindow = 1m0s", "2m0s")
	wants(t, q.Set(t.Context(), func(s *jetstream.Settings) { s.TTL = false }), mq.ErrInvalidConfig, "TTL = false")
	_, err := jetstream.Open(t.Context(), url, "short", &jetstream.Config{IDWindow: time.Minute})
	wants(t, err, mq.ErrInvalidConfig, "IDWindow = 1m0s", "2m0s")

	// One of an older server.
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	callAPI(t, nc, "STREAM.CREATE.IPCMQ_older", pageBlocks(t, "NAME", "older", "RANDOM", "ABC123")[0])
	old, other := openQueue(t, url, "older", nil), openQueue(t, url, "older", nil)
	expires := mq.SendOptions{TTL: time.Hour}
	wants(t, old.SendWith(t.Context(), mq.Message{Type: 1}, expires), errors.ErrUnsupported, "Settings.TTL")
	if err := old.Set(t.Context(), func(s *jetstream.Settings) { s.TTL = true }); err != nil {
		t.Fatal(err)
	}
	if err := old.SendWith(t.Context(), mq.Message{Type: 1}, expires); err != nil {
		t.Error(err)
	}
	await(t, func() error { return other.SendWith(t.Context(), mq.Message{Type: 2}, expires) })
}
