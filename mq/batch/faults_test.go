package batch_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/mqtest"
)

// A failing queue returns its errors from sends, and then works like its queue.
type failing struct {
	mq.Queue
	mu   sync.Mutex
	errs []error // nil: like the queue
}

func (f *failing) next() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.errs) == 0 {
		return nil
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return err
}

func (f *failing) fail(errs ...error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = errs
}

func (f *failing) Send(ctx context.Context, m mq.Message) error {
	if err := f.next(); err != nil {
		return err
	}
	return f.Queue.Send(ctx, m)
}

func (f *failing) TrySend(m mq.Message) error { return f.Send(context.Background(), m) }

func TestAFlushThatFailsCanBeRepeated(t *testing.T) {
	f := &failing{Queue: mqtest.New(nil)}
	b := start(t, f, nil)
	add(t, b, 1, "a", "b")
	f.fail(mq.ErrUnavailable)
	if err := b.Flush(t.Context()); !errors.Is(err, mq.ErrUnavailable) {
		t.Errorf("Flush: %v", err)
	}
	f.fail(mq.ErrUnavailable)
	if err := b.TrySend(mq.Message{Type: 1, Data: []byte("not sent")}); !errors.Is(err, mq.ErrUnavailable) {
		t.Errorf("TrySend: %v", err)
	}
	f.fail(mq.ErrUnavailable)
	if n, err := b.SendBatch(t.Context(), []mq.Message{{Type: 1}, {Type: 1}}); n != 0 || !errors.Is(err, mq.ErrUnavailable) {
		t.Errorf("SendBatch: %d, %v", n, err)
	}
	add(t, b, 1, "c")
	flush(t, b)
	expect(t, texts(t, b), "1:a", "1:b", "1:c")
}

func TestSendBatchSaysHowManyWereSent(t *testing.T) {
	f := &failing{Queue: mqtest.New(nil)}
	b := start(t, f, &batch.Config{Size: 4 + 2*3})
	var messages []mq.Message
	for i := range 7 {
		messages = append(messages, mq.Message{Type: 1, Data: fmt.Appendf(nil, "m%d", i)})
	}
	f.fail(nil, nil, mq.ErrUnavailable)
	if n, err := b.SendBatch(t.Context(), messages); n != 4 || !errors.Is(err, mq.ErrUnavailable) {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := b.SendBatch(t.Context(), messages[4:]); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	expect(t, texts(t, b), "1:m0", "1:m1", "1:m2", "1:m3", "1:m4", "1:m5", "1:m6")
	if err := b.Close(); err != nil {
		t.Error(err) // nothing is unsent
	}
}

func TestAFrameAboveALoweredLimitIsSentInParts(t *testing.T) {
	f := &failing{Queue: mqtest.New(nil)}
	b := start(t, f, nil)
	add(t, b, 1, "a", "b", "c", "d")
	f.fail(mq.ErrTooLarge, nil, nil, mq.ErrUnavailable)
	if err := b.Flush(t.Context()); !errors.Is(err, mq.ErrUnavailable) {
		t.Errorf("Flush: %v", err)
	}
	expect(t, texts(t, b), "1:a", "1:b")
	flush(t, b)
	expect(t, texts(t, b), "1:c", "1:d")
}

func TestErrorsOfSendingByAgeComeFromTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{Queue: mqtest.New(nil)}
		b := start(t, f, &batch.Config{MaxAge: time.Second})
		f.fail(mq.ErrUnavailable)
		add(t, b, 1, "a")
		<-time.After(1500 * time.Millisecond)
		if err := b.TryAdd(mq.Message{Type: 1}); !errors.Is(err, mq.ErrUnavailable) {
			t.Errorf("TryAdd: %v", err)
		}
		add(t, b, 1, "b")
		<-time.After(time.Second) // sending is retried
		expect(t, texts(t, b), "1:a", "1:b")
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseEndsSendingByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Capacity: 8, MaxMessage: 8})
		if err := q.TrySend(mq.Message{Type: 1, Data: make([]byte, 8)}); err != nil {
			t.Fatal(err)
		}
		b := start(t, q.Open(), &batch.Config{MaxAge: time.Second})
		add(t, b, 1, "a")
		<-time.After(2 * time.Second) // it waits for room
		if err := b.TryAdd(mq.Message{Type: 1}); !errors.Is(err, mq.ErrFull) {
			t.Errorf("TryAdd: %v", err)
		}
		adds := make(chan error)
		go func() { adds <- b.Add(t.Context(), mq.Message{Type: 1}) }()
		synctest.Wait()
		if err := b.Close(); !errors.Is(err, batch.ErrUnsent) || len(b.Unsent()) != 1 {
			t.Errorf("Close: %v", err)
		}
		if err := <-adds; !errors.Is(err, mq.ErrClosed) {
			t.Errorf("Add: %v", err)
		}
		q.Close()
	})
}

// A receiver that takes a frame hands the rest to those that wait already,
// whatever they select.
func TestAFrameServesAllWaitingReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, b := memory(t, nil)
		typed, err := b.Select(mq.Type(1))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 9 {
			r := mq.Receiver(b)
			if i%3 == 0 {
				r = typed
			}
			wg.Go(func() {
				if m, err := r.Receive(t.Context()); err != nil || m.Type != 1 {
					t.Errorf("got %+v, %v", m, err)
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := b.Receive(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("the canceled one: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		sender := start(t, q.Open(), nil)
		add(t, sender, 1, "0", "1", "2", "3", "4", "5", "6", "7", "8")
		flush(t, sender)
		wg.Wait()
		b.Close()
		sender.Close()
		q.Close()
	})
}

// TestNothingIsLostAmongReceivers starts, stops, cancels and closes receivers
// of all kinds while numbered messages arrive in frames and alone.
func TestNothingIsLostAmongReceivers(t *testing.T) {
	const senders, each = 3, 2000
	q := newSysV(t)
	b := start(t, q, nil)
	var mu sync.Mutex
	got := make([]int, senders*each)
	total := 0
	done := make(chan struct{})
	count := func(m mq.Message) {
		mu.Lock()
		defer mu.Unlock()
		got[binary.LittleEndian.Uint32(m.Data)]++
		if total++; total == senders*each {
			close(done)
		}
	}
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(s)))
			for i := range each {
				m := mq.Message{Type: int64(1 + random.IntN(3)), Data: binary.LittleEndian.AppendUint32(nil, uint32(s*each+i))}
				var err error
				switch random.IntN(8) {
				case 0:
					err = b.Send(t.Context(), m)
				case 1:
					err = errors.Join(b.Add(t.Context(), m), b.Flush(t.Context()))
				default:
					err = b.Add(t.Context(), m)
				}
				if err != nil {
					t.Error(err)
				}
			}
			if err := b.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	over, stop := context.WithCancel(t.Context())
	defer stop()
	for i, s := range []mq.Selector{mq.Any(), mq.Any(), mq.Type(1), mq.UpTo(2), mq.Except(3), mq.Any()} {
		r, err := b.Select(s)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(i)))
			var m mq.Message
			for over.Err() == nil {
				ctx, cancel := context.WithTimeout(over, time.Duration(random.IntN(2000))*time.Microsecond)
				err := r.ReceiveInto(ctx, &m)
				if random.IntN(4) == 0 && err != nil {
					err = r.TryReceiveInto(&m)
				}
				cancel()
				if err == nil {
					count(m)
				} else if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) && !errors.Is(err, mq.ErrEmpty) {
					t.Error(err)
				}
			}
		})
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Errorf("%d of %d messages arrived", total, senders*each)
	}
	stop()
	wg.Wait()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for i, n := range got {
		if n != 1 {
			t.Errorf("message %d arrived %d times", i, n)
		}
	}
}

// TestCloseLosesNothing closes a queue of batches while its receivers work, and
// counts what they have received, what is unread and what is left.
func TestCloseLosesNothing(t *testing.T) {
	const n = 200
	for round := range 50 {
		q := mqtest.New(nil)
		sender, b := start(t, q.Open(), nil), start(t, q.Open(), nil)
		for i := range n {
			add(t, sender, 1, fmt.Sprint(i))
			if i%7 == 0 {
				flush(t, sender)
			}
		}
		flush(t, sender)
		seen := map[string]int{}
		var mu sync.Mutex
		note := func(m mq.Message) int {
			mu.Lock()
			defer mu.Unlock()
			seen[string(m.Data)]++
			return len(seen)
		}
		var wg sync.WaitGroup
		enough := make(chan struct{})
		var once sync.Once
		for range 3 {
			wg.Go(func() {
				for m, err := range mq.All(t.Context(), b) {
					if err != nil {
						if !errors.Is(err, mq.ErrClosed) {
							t.Error(err)
						}
						return
					}
					if note(m) > 3*round {
						once.Do(func() { close(enough) })
					}
				}
			})
		}
		<-enough
		b.Close()
		wg.Wait()
		for _, m := range b.Unread() {
			note(m)
		}
		rest := start(t, q.Open(), nil)
		for {
			m, err := rest.TryReceive()
			if err != nil {
				break
			}
			note(m)
		}
		if len(seen) != n {
			t.Fatalf("round %d: %d of %d messages", round, len(seen), n)
		}
		for text, times := range seen {
			if times != 1 {
				t.Fatalf("round %d: %s came %d times", round, text, times)
			}
		}
		q.Close()
	}
}
