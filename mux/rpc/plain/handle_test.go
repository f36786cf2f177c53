package plain_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc/plain"
)

// Others fill the queue with requests as soon as there is room, so that no reply finds
// any: the replies wait, but the requests are taken.
func TestAQueueFullOfRequestsDoesNotDeadlock(t *testing.T) {
	const size = 10
	q := newQueue(t, &sysv.Config{Capacity: 5 * size})
	sent := make(chan error)
	go func() {
		for i := range 500 {
			if err := q.Send(t.Context(), mq.Message{Type: 100, Data: fmt.Appendf(nil, "%09d ", i)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	testutil.Await(t, func() error {
		if u, err := q.Usage(); err != nil || u.Bytes < u.MaxBytes {
			return fmt.Errorf("not full: %+v, %v", u, err)
		}
		return nil
	})
	stop := serve(t, q, pattern, upper, &plain.Config{Concurrency: 1})
	replies, err := q.Select(mq.Type(200))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 500 {
		m, err := replies.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen[string(m.Data)] = true
	}
	if len(seen) != 500 {
		t.Errorf("%d different replies", len(seen))
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestHandlersMayFail(t *testing.T) {
	q := newQueue(t, nil)
	type failure struct {
		request string
		err     error
	}
	failures := make(chan failure, 10)
	serve(t, q, pattern, func(ctx context.Context, request []byte) ([]byte, error) {
		switch string(request) {
		case "1 error":
			return nil, errors.ErrUnsupported
		case "2 panic":
			panic("no")
		case "3 exit":
			runtime.Goexit()
		case "4 large":
			return make([]byte, 1<<20), nil
		}
		return upper(ctx, request)
	}, &plain.Config{Concurrency: 1, OnError: func(m mq.Message, err error) {
		failures <- failure{string(m.Data), err}
		runtime.Goexit()
	}})
	for _, c := range []struct {
		request string
		want    func(error) bool
	}{
		{"1 error", func(err error) bool { return err == errors.ErrUnsupported }},
		{"2 panic", func(err error) bool { p, ok := errors.AsType[*mq.PanicError](err); return ok && p.Value == "no" }},
		{"3 exit", func(err error) bool { return err == plain.ErrNoAnswer }},
		{"4 large", func(err error) bool { return errors.Is(err, mq.ErrTooLarge) }},
	} {
		if err := q.Send(t.Context(), mq.Message{Type: 100, Data: []byte(c.request)}); err != nil {
			t.Fatal(err)
		}
		if f := <-failures; f.request != c.request || !c.want(f.err) {
			t.Errorf("%q: %v", f.request, f.err)
		}
	}
	if got, err := newClient(t, q, pattern, nil).Request(t.Context(), []byte("5 fine")); err != nil || string(got) != "5 FINE" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestHandleEnds(t *testing.T) {
	q := newQueue(t, nil)
	if err := plain.Handle(t.Context(), q, pattern, nil, nil); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("no handler: %v", err)
	}
	if err := plain.Handle(t.Context(), q, pattern, upper, &plain.Config{Concurrency: -1}); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("no handler: %v", err)
	}

	// A handler that reacts to its context ends when Drain is over, and its
	// reply is sent.
	began := make(chan struct{})
	stop := serve(t, q, pattern, func(ctx context.Context, request []byte) ([]byte, error) {
		close(began)
		<-ctx.Done()
		return request, nil
	}, &plain.Config{Drain: time.Millisecond})
	if err := q.Send(t.Context(), mq.Message{Type: 100, Data: []byte("1 x")}); err != nil {
		t.Fatal(err)
	}
	<-began
	if err := stop(); err != nil {
		t.Error(err)
	}
	if m, err := q.TryReceive(); err != nil || m.Type != 200 {
		t.Errorf("%v, %v", m, err)
	}

	// One that does not react is left behind.
	leave, left := make(chan struct{}), make(chan struct{})
	began = make(chan struct{})
	stop = serve(t, q, pattern, func(context.Context, []byte) ([]byte, error) {
		close(began)
		<-leave
		defer close(left)
		return nil, nil
	}, &plain.Config{Drain: time.Millisecond})
	if err := q.Send(t.Context(), mq.Message{Type: 100, Data: []byte("2 x")}); err != nil {
		t.Fatal(err)
	}
	<-began
	if err := stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(leave)
	<-left

	ended := make(chan error)
	go func() { ended <- plain.Handle(t.Context(), q, pattern, upper, nil) }()
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("removed: %v", err)
	}
}
