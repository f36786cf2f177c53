package integration_test

import (
	"errors"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// recreate removes the queue and creates another one of the same name, with as many
// messages.
func recreate(t *testing.T, url string, q *jetstream.Queue, messages int) *jetstream.Queue {
	t.Helper()
	other := openQueue(t, url, q.Name(), &jetstream.Config{OpenOnly: true})
	if err := other.Remove(); err != nil {
		t.Fatal(err)
	}
	other = openQueue(t, url, q.Name(), &jetstream.Config{Mode: q.Mode(), Exclusive: true})
	for range messages {
		if err := other.Send(t.Context(), mq.Message{Type: 1, Data: []byte("new")}); err != nil {
			t.Fatal(err)
		}
	}
	return other
}

func TestALeaseOfARemovedQueueDoesNotConcernTheNextOne(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	old := openQueue(t, url, "leased", nil)
	for range 4 {
		if err := old.Send(t.Context(), mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
	}
	from := leases(t, old, mq.Any())
	stale := []mq.Lease{leaseOne(t, from), leaseOne(t, from), leaseOne(t, from)}
	next := recreate(t, url, old, 4)
	to := leases(t, next, mq.Any())
	held := []mq.Lease{leaseOne(t, to), leaseOne(t, to), leaseOne(t, to)}
	for i, tell := range []func(mq.Lease) error{
		func(l mq.Lease) error { return l.Ack(t.Context()) },
		func(l mq.Lease) error { return l.Nak(t.Context(), 0) },
		func(l mq.Lease) error { return l.Extend(t.Context()) },
	} {
		if stale[i].Sequence() != held[i].Sequence() {
			t.Fatalf("sequences %d and %d", stale[i].Sequence(), held[i].Sequence())
		}
		if err := tell(stale[i]); !errors.Is(err, mq.ErrRemoved) {
			t.Errorf("word %d of a message in the old queue: %v", i, err)
		}
	}
	if s, err := next.Stat(t.Context()); err != nil || s.Messages != 4 || s.Lent != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	// The old handle takes nothing, and does not hinder others.
	if _, err := old.TryReceive(); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("TryReceive: %v", err)
	}
	if _, err := old.Select(mq.Type(1)); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("Select: %v", err)
	}
	if _, err := from.Lease(t.Context()); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("Lease: %v", err)
	}
	if m, err := next.TryReceive(); err != nil || string(m.Data) != "new" {
		t.Errorf("%q, %v", m.Data, err)
	}
}

func TestAnIdleClaimerTakesNothingOfTheNextQueue(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	old := openQueue(t, url, "claimed", &jetstream.Config{Mode: jetstream.ClaimMode})
	next := recreate(t, url, old, 1)
	<-time.After(500 * time.Millisecond)
	if m, err := old.TryReceive(); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("TryReceive: %v, %v", m, err)
	}
	if _, err := old.Receive(t.Context()); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("Receive: %v", err)
	}
	if m, err := next.TryReceive(); err != nil || string(m.Data) != "new" {
		t.Errorf("%q, %v", m.Data, err)
	}
}

// The server has deleted a message, and its answer is lost; when it is asked
// again there is another queue, with a message of the same sequence.
func TestAClaimThatIsRepeatedDeletesNothingOfTheNextQueue(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	old := openQueue(t, url, "again", &jetstream.Config{Mode: jetstream.ClaimMode})
	if err := old.Send(t.Context(), mq.Message{Type: 1, Data: []byte("old")}); err != nil {
		t.Fatal(err)
	}
	p := startProxy(t, url)
	answered := make(chan struct{})
	p.to("STREAM.MSG.DELETE", first(func(*frame) bool {
		close(answered)
		return false
	}))
	receive := receiving(t.Context(), openQueue(t, p.url, "again", nil))
	<-answered
	next := recreate(t, url, old, 1)
	if err := receive.wait(t); err != nil || string(receive.message.Data) != "old" {
		t.Errorf("received %q, %v", receive.message.Data, err)
	}
	if m, err := next.TryReceive(); err != nil || string(m.Data) != "new" {
		t.Errorf("%q, %v", m.Data, err)
	}
}
