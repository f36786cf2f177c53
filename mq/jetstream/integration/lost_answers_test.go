package integration_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// The server goes away between the two steps of a claim, for longer than the
// second step is repeated.
func TestAWaitingReceiveOutlivesAnOutageWithinAClaim(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	gone := make(chan struct{})
	p.to("STREAM.MSG.GET", first(func(f *frame) bool {
		// The client takes longer to read this answer than to see that the
		// connection is over, so that the second step is never sent.
		f.last = true
		close(gone)
		return true
	}))
	direct := openQueue(t, url, "outage", &jetstream.Config{Mode: jetstream.ClaimMode})
	sent := mq.Message{Type: 3, Data: bytes.Repeat([]byte("x"), 700_000)}
	if err := direct.Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, p.url, "outage", nil)
	receive := receiving(t.Context(), q)
	<-gone
	select {
	case err := <-receive.done:
		t.Fatalf("Receive ended without a server: %v", err)
	case <-time.After(12 * time.Second):
	}
	p.join()
	if err := receive.wait(t); err != nil || receive.message.Type != 3 || !bytes.Equal(receive.message.Data, sent.Data) {
		t.Errorf("got %d bytes of type %d, %v", len(receive.message.Data), receive.message.Type, err)
	}
}

// The server gives the message to another holder, but its answer is lost.
func TestANakWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	naks := p.to("$JS.ACK.", first(lose))
	q := openQueue(t, url, "nak", &jetstream.Config{AckWait: time.Hour})
	if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
		t.Fatal(err)
	}
	first := leaseOne(t, leases(t, openQueue(t, p.url, "nak", nil), mq.Any()))
	told := &call{done: make(chan error, 1)}
	go func() { told.done <- first.Nak(t.Context(), 0) }()
	second := leaseOne(t, leases(t, q, mq.Any()))
	if err := told.wait(t); !errors.Is(err, mq.ErrInDoubt) || second.Attempt() != 2 {
		t.Errorf("Nak: %v; and then attempt %d", err, second.Attempt())
	}
	if m, err := q.TryReceive(); !errors.Is(err, mq.ErrEmpty) || naks.count() != 1 {
		t.Errorf("what is lent is taken from its holder: %v, %v, after %d requests", m, err, naks.count())
	}
	if err := second.Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestANakAfterTheLeaseHasRunOutTellsTheServerNothing(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	naks := p.to("$JS.ACK.", pass)
	q := openQueue(t, url, "late", &jetstream.Config{AckWait: 100 * time.Millisecond})
	if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
		t.Fatal(err)
	}
	l := leaseOne(t, leases(t, openQueue(t, p.url, "late", nil), mq.Any()))
	<-time.After(time.Until(l.Deadline()))
	for _, delay := range []time.Duration{0, time.Hour} {
		if err := l.Nak(t.Context(), delay); err != nil || naks.count() != 0 {
			t.Errorf("Nak: %v, after %d requests", err, naks.count())
		}
	}
	if again := leaseOne(t, leases(t, q, mq.Any())); again.Attempt() != 2 {
		t.Errorf("lent for attempt %d", again.Attempt())
	}
}

// Nobody answers for a consumer that is gone, although the queue exists.
func TestALeaseWhoseConsumerIsGoneEnds(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, "gone", &jetstream.Config{AckWait: time.Hour})
	if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
		t.Fatal(err)
	}
	l := leaseOne(t, leases(t, q, mq.Any()))
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	api, err := js.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := api.Stream(t.Context(), "IPCMQ_gone")
	if err != nil {
		t.Fatal(err)
	}
	consumers := stream.ConsumerNames(t.Context())
	for name := range consumers.Name() {
		if err := stream.DeleteConsumer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for name, tell := range map[string]func() error{
		"Ack":    func() error { return l.Ack(context.Background()) },
		"Extend": func() error { return l.Extend(context.Background()) },
	} {
		told := &call{done: make(chan error, 1)}
		go func() { told.done <- tell() }()
		if err := told.wait(t); !errors.Is(err, mq.ErrLeaseOver) || errors.Is(err, mq.ErrInDoubt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := l.Nak(t.Context(), 0); err != nil {
		t.Errorf("Nak: %v", err)
	}
	if again := leaseOne(t, leases(t, q, mq.Any())); again.Sequence() != l.Sequence() {
		t.Errorf("lent %d, not %d", again.Sequence(), l.Sequence())
	}
}

// A server that was killed may not know what it has lent, and never answers.
func TestAReceiveThatIsNotConfirmedGivesTheMessageOut(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	acks := p.to("$JS.ACK.", lose)
	q := openQueue(t, p.url, "unconfirmed", nil)
	if err := q.Send(t.Context(), mq.Message{Type: 5}); err != nil {
		t.Fatal(err)
	}
	if m, err := q.Receive(t.Context()); err != nil || m.Type != 5 || acks.count() != 2 {
		t.Errorf("got type %d, %v, after %d requests", m.Type, err, acks.count())
	}
}

// The server creates the queue, and the context ends before its answer comes.
func TestOpenIsInDoubtIfItMayHaveCreatedTheQueue(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	p.to("STREAM.CREATE", lose)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	q, err := jetstream.Open(ctx, p.url, "made", nil)
	if err == nil {
		q.Close()
	}
	if !errors.Is(err, mq.ErrInDoubt) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	openQueue(t, url, "made", &jetstream.Config{OpenOnly: true})
}

// The answer that another receiver was quicker takes longer than one request
// waits. It is not lost, so the message is not in doubt.
func TestAClaimWhoseAnswerIsLateIsNotInDoubt(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	direct := openQueue(t, url, "slow", &jetstream.Config{Mode: jetstream.ClaimMode})
	q := openQueue(t, p.url, "slow", nil)
	for typ := range int64(2) {
		if err := direct.Send(t.Context(), mq.Message{Type: typ + 1}); err != nil {
			t.Fatal(err)
		}
	}
	p.to("STREAM.MSG.GET", first(func(*frame) bool {
		if m, err := direct.TryReceive(); err != nil || m.Type != 1 {
			t.Errorf("the other receiver got type %d, %v", m.Type, err)
		}
		p.to("STREAM.MSG.DELETE", first(func(*frame) bool {
			<-time.After(1500 * time.Millisecond)
			return true
		}))
		return true
	}))
	c := receiving(t.Context(), q)
	if err := c.wait(t); err != nil || c.message.Type != 2 {
		t.Errorf("got type %d, %v", c.message.Type, err)
	}
}
