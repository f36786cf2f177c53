package integration_test

import (
	"context"
	"math"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

// The servers count to the byte as Overhead says, so what is refused as too large
// would never fit, and everything else fits.
func TestTheOverheadIsThatOfTheServer(t *testing.T) {
	url := start(t, nil).URL()
	for _, mode := range []jetstream.Mode{jetstream.LeaseMode, jetstream.ClaimMode} {
		for _, storage := range []jetstream.Storage{jetstream.File, jetstream.Memory} {
			q := openQueue(t, url, newName(), &jetstream.Config{Mode: mode, Storage: storage, MaxBytes: 1000})
			largest := mq.Message{Type: math.MaxInt64, Data: make([]byte, 1000-q.Overhead())}
			if most := q.Capabilities().MaxPayload; most != len(largest.Data) {
				t.Errorf("%v, %v: MaxPayload = %d, want %d", mode, storage, most, len(largest.Data))
			}
			if err := q.TrySend(largest); err != nil {
				t.Errorf("%v, %v: the largest message: %v", mode, storage, err)
			}
			s, err := q.Stat(t.Context())
			if err != nil || s.Bytes != 1000 || s.Messages != 1 {
				t.Errorf("%v, %v: %+v, %v; want 1000 bytes", mode, storage, s, err)
			}
			wants(t, q.TrySend(mq.Message{Type: 1}), mq.ErrFull)
			for _, typ := range []int64{1, math.MaxInt64} {
				tooLarge := mq.Message{Type: typ, Data: make([]byte, len(largest.Data)+1)}
				wants(t, q.TrySend(tooLarge), mq.ErrTooLarge, "exceeds MaxBytes = 1000")
			}
		}
	}
}

func TestTheLimitOfTheServerIsNamed(t *testing.T) {
	url := start(t, &server.Options{Configure: func(o *natsserver.Options) { o.MaxPayload = 1000 }}).URL()
	q := openQueue(t, url, "orders", nil)
	most := q.Capabilities().MaxPayload
	m := mq.Message{Type: 1, Data: make([]byte, most)}
	if err := q.TrySend(m); err != nil {
		t.Fatal(err)
	}
	if got, err := q.Receive(t.Context()); err != nil || len(got.Data) != most {
		t.Fatalf("got %d bytes, %v", len(got.Data), err)
	}
	m.Data = make([]byte, most+1)
	wants(t, q.Send(context.Background(), m), mq.ErrTooLarge, "max_payload = 1000")
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	out, err := q.OpenInbox(in.Address())
	if err != nil {
		t.Fatal(err)
	}
	wants(t, out.TrySend(m), mq.ErrTooLarge, "max_payload = 1000")
	m.Data = m.Data[:in.Capabilities().MaxPayload]
	if err := out.TrySend(m); err != nil {
		t.Error(err)
	}
}

func TestMaxMessagesIsALimit(t *testing.T) {
	q := openQueue(t, start(t, nil).URL(), "orders", &jetstream.Config{MaxMessages: 2})
	for range 2 {
		if err := q.TrySend(mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, q.TrySend(mq.Message{Type: 1}), mq.ErrFull)
}

func TestStatCountsWhatIsLent(t *testing.T) {
	q := openQueue(t, start(t, nil).URL(), "orders", nil)
	for typ := range int64(3) {
		if err := q.TrySend(mq.Message{Type: typ + 1}); err != nil {
			t.Fatal(err)
		}
	}
	var leases []mq.Lease
	for typ := range int64(2) {
		r, err := q.SelectLeases(mq.Type(typ + 1))
		if err != nil {
			t.Fatal(err)
		}
		l, err := r.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, l)
	}
	s, err := q.Stat(t.Context())
	if err != nil || s.Messages != 3 || s.Lent != 2 || s.LastSend.IsZero() || s.Created.IsZero() || s.AckWait != jetstream.DefaultAckWait {
		t.Errorf("got %+v, %v", s, err)
	}
	if err := leases[0].Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := q.Stat(t.Context()); err != nil || s.Messages != 2 || s.Lent != 1 {
		t.Errorf("after Ack: %+v, %v", s, err)
	}
}

// The error of a call says what it waited for.
func TestACallThatEndsSaysWhatItWaitedFor(t *testing.T) {
	url := start(t, nil).URL()
	for _, mode := range []jetstream.Mode{jetstream.LeaseMode, jetstream.ClaimMode} {
		q := openQueue(t, url, newName(), &jetstream.Config{Mode: mode, MaxMessages: 1})
		soon := func() context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}
		_, err := q.Receive(soon())
		wants(t, err, context.DeadlineExceeded, "no message came")
		if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
		wants(t, q.Send(soon(), mq.Message{Type: 1}), context.DeadlineExceeded, "there was no room", "maximum messages exceeded")
	}
}
