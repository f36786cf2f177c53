package large_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/follow"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
	"ipcmq/mux"
	"ipcmq/mux/rpc"
	"ipcmq/stream"
	"ipcmq/stream/lease"
)

var sizes = []int{10, 100_000, 9_000, 1_000_000, 0, 50_000}

// numbered returns a payload that contains its number.
func numbered(i int) []byte {
	return append(fmt.Appendf(nil, "%d:", i), pattern(sizes[i%len(sizes)])...)
}

func TestStreams(t *testing.T) {
	q := wrap(t, newQueue(t, true), nil)
	s, err := stream.New(q, &stream.Config{Select: mq.Type(2)})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range 50 {
			for typ := int64(1); typ <= 2; typ++ {
				if err := q.Send(t.Context(), mq.Message{Type: typ, Data: numbered(i)}); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	i := 0
	for m := range s.Messages() {
		if !bytes.Equal(m.Data, numbered(i)) {
			t.Fatalf("message %d has %d bytes", i, len(m.Data))
		}
		if i++; i == 50 {
			break
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestMuxes(t *testing.T) {
	q := wrap(t, newQueue(t, false), nil)
	m, err := mux.New(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for typ := int64(1); typ <= 3; typ++ {
		s, err := m.Subscribe(mq.Type(typ), nil)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for i := range 20 {
				if m := <-s.Messages(); m.Type != typ || !bytes.Equal(m.Data, numbered(i)) {
					t.Errorf("message %d of type %d: type %d, %d bytes", i, typ, m.Type, len(m.Data))
				}
			}
		})
		all.Go(func() {
			for i := range 20 {
				if err := m.Publish(t.Context(), mq.Message{Type: typ, Data: numbered(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := m.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Many callers at once: the server has memory for the replies to all of them.
func TestRequestsAndReplies(t *testing.T) {
	for _, private := range []bool{false, true} {
		base := newQueue(t, private)
		cfg := &large.Config{MaxPayload: 2<<20 + 4096, Memory: 4 << 20}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		serving, end := context.WithCancel(ctx)
		server := byID(t, base.ID(), &large.Config{MaxPayload: cfg.MaxPayload, Memory: 8 * cfg.MaxPayload})
		served := make(chan error)
		go func() {
			served <- rpc.Handle(serving, server, 7, func(_ context.Context, request []byte) ([]byte, error) {
				if len(request) == 0 {
					return nil, errors.New("nothing")
				}
				return append(request, request...), nil
			}, &rpc.Config{OnError: func(m mq.Message, err error) { t.Errorf("%d bytes: %v", len(m.Data), err) }})
		}()
		client, err := rpc.NewClient(byID(t, base.ID(), cfg), nil)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for caller := range 8 {
			all.Go(func() {
				for i := range 10 {
					request := numbered(caller + i)
					reply, err := client.Request(ctx, 7, request)
					if err != nil || !bytes.Equal(reply, append(request, request...)) {
						t.Errorf("%d bytes: got %d, %v", len(request), len(reply), err)
					}
				}
			})
		}
		all.Wait()
		if _, err := client.Request(ctx, 7, pattern(3<<20)); !errors.Is(err, mq.ErrTooLarge) {
			t.Errorf("a request that is too large: %v", err)
		}
		client.Close()
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
		server.Close()
	}
}

func TestLeasesKeepThePayload(t *testing.T) {
	q := newQueue(t, false)
	w, dead := byID(t, q.ID(), nil), wrap(t, newQueue(t, true), nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 3 {
		send(t, w, 1, numbered(i+1))
	}
	attempts, left := map[string]int{}, 2
	err := lease.Handle(ctx, w, func(ctx context.Context, d lease.Delivery) error {
		if attempts[string(d.Data)]++; !bytes.Equal(d.Data, numbered(int(d.Data[0]-'0'))) {
			t.Errorf("%d bytes", len(d.Data))
		}
		if d.Data[0] == '2' || attempts[string(d.Data)] < 2 {
			return errors.New("not yet")
		}
		if left--; left == 0 && attempts[string(numbered(2))] == 3 {
			cancel()
		}
		return nil
	}, &lease.Config{Concurrency: 1, MaxAttempts: 3, RetryDelay: func(int, error) time.Duration { return 0 },
		DeadLetter: func(ctx context.Context, d lease.Delivery, err error) error {
			if left == 0 {
				defer cancel()
			}
			return dead.Send(ctx, d.Message)
		}})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if m := receive(t, dead); !bytes.Equal(m.Data, numbered(2)) {
		t.Errorf("the dead letter has %d bytes", len(m.Data))
	}
	w.Close()
	dead.Close()
	expectCollected(t)
}

func TestBatchesAndFollowedQueues(t *testing.T) {
	key := freeKey(t)
	q, err := follow.Open(func() (*large.Queue, error) {
		q, err := sysv.Open(key, nil)
		if err != nil {
			return nil, err
		}
		return large.Wrap(q, nil)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := batch.New(q, &batch.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 2 {
		for i := range 30 {
			if err := b.Add(t.Context(), mq.Message{Type: 1, Data: numbered(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			if m := receive(t, b); !bytes.Equal(m.Data, numbered(i)) {
				t.Fatalf("message %d has %d bytes", i, len(m.Data))
			}
		}
		if other, err := sysv.Open(key, nil); err == nil {
			other.Remove()
			other.Close()
		}
	}
	if _, err := large.Wrap(b, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("frames would hide tickets: %v", err)
	}
}
