package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// counted returns n messages with the numbers from first on, of types 1 to 3.
func counted(first, n int) []mq.Message {
	all := make([]mq.Message, n)
	for i := range all {
		all[i] = mq.Message{Type: int64(1 + i%3), Data: fmt.Append(nil, first+i)}
	}
	return all
}

// receiveNumbers receives the numbers from first on, n of them.
func receiveNumbers(t *testing.T, q *jetstream.Queue, first, n int) {
	t.Helper()
	for i := range n {
		m, err := q.Receive(t.Context())
		if want := fmt.Sprint(first + i); err != nil || string(m.Data) != want || m.Type != int64(1+i%3) {
			t.Fatalf("got %q of type %d, %v; want %s", m.Data, m.Type, err, want)
		}
	}
}

func messagesIn(t *testing.T, q *jetstream.Queue, want int64) {
	t.Helper()
	if s, err := q.Stat(t.Context()); err != nil || s.Messages != want {
		t.Errorf("%d messages in the queue, %v; want %d", s.Messages, err, want)
	}
}

func TestSendBatchSendsAllInTheirOrder(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, mode := range bothModes {
		for _, n := range []int{0, 1, 63, 64, 1000, 1001} {
			q := openQueue(t, url, newName(), &jetstream.Config{Mode: mode})
			if got, err := mq.SendBatch(t.Context(), q, counted(0, n)); err != nil || got != n {
				t.Fatalf("%v: sent %d of %d, %v", mode, got, n, err)
			}
			messagesIn(t, q, int64(n))
			if n <= 64 || mode == jetstream.LeaseMode {
				receiveNumbers(t, q, 0, n)
				messagesIn(t, q, 0)
			}
		}
	}
}

func TestSendBatchWaitsForRoomAndSendsWhatThereIsRoomFor(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, mode := range bothModes {
		q := openQueue(t, url, newName(), &jetstream.Config{MaxMessages: 40, Mode: mode})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n, ended := 0, make(chan error, 1)
		go func() {
			var err error
			n, err = q.SendBatch(ctx, counted(0, 300))
			ended <- err
		}()
		await(t, func() error {
			s, err := q.Stat(t.Context())
			if err == nil && s.Messages != 40 {
				err = fmt.Errorf("%d messages in the queue", s.Messages)
			}
			return err
		})
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || n != 40 {
			t.Fatalf("sent %d where there was room for 40, %v", n, err)
		}
		sent := make(chan error, 1)
		go func() {
			more, err := q.SendBatch(t.Context(), counted(n, 300)[:300-n])
			if err == nil && more != 300-n {
				err = fmt.Errorf("sent %d of %d", more, 300-n)
			}
			sent <- err
		}()
		for i := range 300 {
			m, err := q.Receive(t.Context())
			if err != nil || string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("got %q, %v; want %d", m.Data, err, i)
			}
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}

func TestSendBatchStopsAtWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, "some", &jetstream.Config{MaxBytes: 100_000})
	for kind, bad := range map[error]mq.Message{
		mq.ErrInvalidType: {Type: -1},
		mq.ErrTooLarge:    {Type: 1, Data: make([]byte, 100_000)},
	} {
		all := counted(0, 160)
		all[133] = bad
		n, err := q.SendBatch(t.Context(), all)
		if n != 133 || !errors.Is(err, kind) {
			t.Errorf("sent %d, %v; want 133 and %v", n, err, kind)
		}
		receiveNumbers(t, q, 0, 133)
		messagesIn(t, q, 0)
	}
	// A message that is too large with the headers of a batch is sent by itself.
	large := openQueue(t, url, "large", &jetstream.Config{Storage: jetstream.Memory})
	all := counted(0, 50)
	all[20].Data = make([]byte, large.Capabilities().MaxPayload)
	if n, err := large.SendBatch(t.Context(), all); n != len(all) || err != nil {
		t.Errorf("sent %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := q.SendBatch(ctx, all); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("sent %d after the end of the context, %v", n, err)
	}
}

// The answer to a whole batch is lost, or the connection with it.
func TestSendBatchStoresOnceWhatIsRepeated(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, cut := range []bool{false, true} {
		p := startProxy(t, url)
		name := fmt.Sprint("cut-", cut)
		q := openQueue(t, p.url, name, nil)
		answers := 0
		requests := p.to("ipcmq."+name, func(f *frame) bool {
			if answers++; answers != 2 { // the first says that the batch has begun
				return true
			}
			f.last = cut
			return false
		})
		sent := make(chan error, 1)
		go func() {
			n, err := q.SendBatch(t.Context(), counted(0, 100))
			if err == nil && n != 100 {
				err = fmt.Errorf("sent %d", n)
			}
			sent <- err
		}()
		if cut {
			unavailable(t, q)
			p.join()
		}
		if err := <-sent; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		messagesIn(t, q, 100)
		if requests.count() < 4 {
			t.Errorf("%s: %d requests", name, requests.count())
		}
		receiveNumbers(t, q, 0, 100)
	}
}

// Nothing is stored before the last message of a batch is sent.
func TestSendBatchIsNotInDoubtBeforeTheEnd(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	q := openQueue(t, p.url, "begun", nil)
	p.to("ipcmq.begun", lose)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	n, err := q.SendBatch(ctx, counted(0, 100))
	if n != 0 || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, mq.ErrUnavailable) || errors.Is(err, mq.ErrInDoubt) {
		t.Errorf("sent %d, %v", n, err)
	}
	messagesIn(t, openQueue(t, url, "begun", nil), 0)
}

// A queue of an older server cannot store messages together.
func TestSendBatchSendsOneByOneWhereItMust(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	early := openQueue(t, url, "old", nil)
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	api, err := js.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := api.Stream(t.Context(), streamOf("old"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	if !cfg.AllowAtomicPublish {
		t.Error("the queue cannot store messages together")
	}
	cfg.AllowAtomicPublish = false
	if _, err := api.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]*jetstream.Queue{"opened before": early, "opened after": openQueue(t, url, "old", nil)} {
		if n, err := q.SendBatch(t.Context(), counted(0, 50)); n != 50 || err != nil {
			t.Errorf("%s: sent %d, %v", name, n, err)
		}
		receiveNumbers(t, q, 0, 50)
	}
}
