package integration_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

func TestQueuesAreListed(t *testing.T) {
	t.Parallel()
	url := start(t, nil).URL()
	none, err := jetstream.List(t.Context(), url, nil)
	if err != nil || len(none) != 0 {
		t.Fatalf("%v, %v", none, err)
	}
	lease := openQueue(t, url, "b-lease", &jetstream.Config{MaxMessages: 7, AckWait: time.Minute})
	claim := openQueue(t, url, "a-claim", &jetstream.Config{Mode: jetstream.ClaimMode, Storage: jetstream.Memory})
	for range 2 {
		if err := errors.Join(lease.TrySend(mq.Message{Type: 1}), claim.TrySend(mq.Message{Type: 2})); err != nil {
			t.Fatal(err)
		}
	}
	leases, err := lease.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leases.Lease(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Streams of others are not queues, whatever their names are.
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	theirs, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"OTHER": "other", "IPCMQ_other": "ipcmq.other.type.*"} {
		if _, err := theirs.CreateStream(t.Context(), natsjs.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := jetstream.List(t.Context(), url, nil)
	if err != nil || len(all) != 2 || all[0].Name != "a-claim" || all[1].Name != "b-lease" {
		t.Fatalf("%+v, %v", all, err)
	}
	for i, q := range []*jetstream.Queue{claim, lease} {
		if s, err := q.Stat(t.Context()); err != nil || s != all[i] || s.Messages != 2 {
			t.Errorf("%+v, %v, and in the list %+v", s, err, all[i])
		}
	}
	if all[1].Lent != 1 || all[1].AckWait != time.Minute || all[1].MaxMessages != 7 {
		t.Errorf("%+v", all[1])
	}
}

func TestListSaysWhyThereIsNone(t *testing.T) {
	t.Parallel()
	_, err := jetstream.List(t.Context(), "nats://127.0.0.1:1", nil)
	wants(t, err, mq.ErrUnavailable, "list", "no server at nats://127.0.0.1:1")
	_, err = jetstream.List(t.Context(), "nats://127.0.0.1:1", &jetstream.Config{Domain: "a.b"})
	wants(t, err, mq.ErrInvalidConfig, "list", "Domain")
	url := startServer(t, func(o *natsserver.Options) { o.Username, o.Password = "ann", "secret" })
	_, err = jetstream.List(t.Context(), url, nil)
	wants(t, err, fs.ErrPermission, "does not admit this user")

	without := startServer(t, func(o *natsserver.Options) { o.JetStream = false })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = jetstream.List(ctx, without, nil)
	wants(t, err, mq.ErrUnavailable, "no server with JetStream answers")
	wants(t, err, context.DeadlineExceeded)
}

func TestMessagesAreLookedAt(t *testing.T) {
	t.Parallel()
	url := start(t, nil).URL()
	for _, mode := range []jetstream.Mode{jetstream.LeaseMode, jetstream.ClaimMode} {
		q := openQueue(t, url, newName(), &jetstream.Config{Mode: mode})
		if _, _, err := q.Peek(t.Context(), 0); !errors.Is(err, mq.ErrEmpty) {
			t.Fatalf("of an empty queue: %v", err)
		}
		sendAll(t, q, mq.Message{Type: 1, Data: []byte("gone")}, mq.Message{Type: 7, Data: []byte("a")}, mq.Message{Type: 8})
		receiveAll(t, q, mq.Message{Type: 1, Data: []byte("gone")})
		for range 2 { // it stays
			m, seq, err := q.Peek(t.Context(), 0)
			if err != nil || seq != 2 || m.Type != 7 || string(m.Data) != "a" {
				t.Fatalf("%v, %d, %v", m, seq, err)
			}
			m, seq, err = q.Peek(t.Context(), seq+1)
			if err != nil || seq != 3 || m.Type != 8 || m.Data == nil || len(m.Data) != 0 {
				t.Fatalf("%v, %d, %v", m, seq, err)
			}
			if _, _, err := q.Peek(t.Context(), seq+1); !errors.Is(err, mq.ErrEmpty) {
				t.Fatalf("behind the last: %v", err)
			}
		}
		receiveAll(t, q, mq.Message{Type: 7, Data: []byte("a")}, mq.Message{Type: 8})
		if err := q.Remove(); err != nil {
			t.Fatal(err)
		}
		_, _, err := q.Peek(t.Context(), 0)
		for err == nil || errors.Is(err, mq.ErrEmpty) { // a stream that is being removed
			_, _, err = q.Peek(t.Context(), 0)
		}
		wants(t, err, mq.ErrRemoved)
	}
}
