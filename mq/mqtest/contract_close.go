package mqtest

import (
	"context"
	"fmt"
	"os"
	"sync"

	"ipcmq/mq"
)

var closePromises = []promise{
	{"CloseMayBeRepeated", func(f *fixture) {
		q := f.handle()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := q.Close(); err != nil {
					f.Errorf("Close: %v", err)
				}
			})
		}
		wg.Wait()
		if err := q.Close(); err != nil {
			f.Errorf("Close: %v", err)
		}
	}},

	{"CloseEndsEveryBlockedCallAndMovesNothing", func(f *fixture) {
		cancelable, cancel := context.WithCancel(f.Context())
		defer cancel()
		for round := range rounds {
			for _, ctx := range []context.Context{context.Background(), cancelable} {
				f.eachBlocked(func(b blocked) {
					q := f.handle()
					var calls []*pending
					for range 3 {
						calls = append(calls, f.start(ctx, b.name, func(ctx context.Context) error { return b.call(f, q, ctx) }))
					}
					for _, p := range calls[:round%4] { // the others may find it closed
						p.awaitWaiting()
					}
					linger(round)
					if err := q.Close(); err != nil {
						f.Fatalf("Close: %v", err)
					}
					for _, p := range calls {
						f.wants(p.await(), mq.ErrClosed, os.ErrClosed)
					}
				})
			}
		}
	}},

	{"AClosedHandleRefusesEveryCall", func(f *fixture) {
		q := f.handle()
		r, err := q.Select(mq.Any())
		if err != nil {
			f.Fatal(err)
		}
		f.send(f.message("x"))
		if err := q.Close(); err != nil {
			f.Fatal(err)
		}
		f.eachCall(q, r, func(err error) { f.wants(err, mq.ErrClosed) })
		q.Capabilities() // does not panic
		f.take(f.q)
		f.empty()
	}},

	{"CloseLeavesOtherHandlesAlone", func(f *fixture) {
		closes, stays := f.handle(), f.handle()
		p := f.start(context.Background(), "Receive", func(ctx context.Context) error {
			_, err := stays.Receive(ctx)
			return err
		})
		p.awaitWaiting()
		closes.Close()
		f.send(f.message("x"))
		if err := p.await(); err != nil {
			f.Fatal(err)
		}
	}},

	{"CloseKeepsTheMessages", func(f *fixture) {
		f.send(f.message("kept"))
		f.q.Close()
		if m := f.take(f.handle()); string(m.Data) != "kept" {
			f.Errorf("got %q", m.Data)
		}
	}},

	{"RemovalEndsEveryBlockedCall", func(f *fixture) {
		if !f.can.SeesRemoval {
			return
		}
		for round := range rounds {
			for _, b := range f.waits() {
				f := newFixture(f.T, f.create)
				b.prepare(f)
				p := f.start(context.Background(), b.name, func(ctx context.Context) error { return b.call(f, f.q, ctx) })
				p.awaitWaiting()
				linger(round)
				f.remove(f.handle())
				f.wants(p.await(), mq.ErrRemoved)
			}
		}
	}},

	{"ARemovedQueueRefusesEveryCall", func(f *fixture) {
		if !f.can.SeesRemoval {
			return
		}
		r, err := f.q.Select(mq.Any())
		if err != nil {
			f.Fatal(err)
		}
		other := f.handle()
		f.send(f.message("x"))
		f.remove(f.q)
		f.eachCall(f.q, r, func(err error) { f.wants(err, mq.ErrRemoved) })
		f.eachCall(other, r, func(err error) { f.wants(err, mq.ErrRemoved) })
		other.Close()
		f.wants(other.TrySend(f.message("x")), mq.ErrClosed)
	}},
}

// remove removes the queue that q is a handle on.
func (f *fixture) remove(q mq.Queue) {
	f.Helper()
	r, ok := q.(interface{ Remove() error })
	if !ok {
		f.Fatalf("a %T declares SeesRemoval and has no method Remove() error", q)
	}
	if err := r.Remove(); err != nil {
		f.Fatalf("Remove: %v", err)
	}
}

// eachCall makes every call that sends or receives, on q or on r, a receiver of
// q, none of which should wait.
func (f *fixture) eachCall(q mq.Queue, r mq.Receiver, check func(error)) {
	f.Helper()
	into := func(receive func(*mq.Message) error) func(context.Context) error {
		return func(context.Context) error {
			m := mq.Message{Type: 77, Data: []byte("as it was")}
			err := receive(&m)
			if string(m.Data) != "as it was" || m.Type != 77 {
				return fmt.Errorf("the message changed to %+v together with error %v", m, err)
			}
			return err
		}
	}
	for name, call := range map[string]func(context.Context) error{
		"Send":           func(ctx context.Context) error { return q.Send(ctx, f.message("x")) },
		"TrySend":        func(context.Context) error { return q.TrySend(f.message("x")) },
		"Receive":        func(ctx context.Context) error { _, err := q.Receive(ctx); return err },
		"TryReceive":     func(context.Context) error { _, err := q.TryReceive(); return err },
		"ReceiveInto":    into(func(m *mq.Message) error { return q.ReceiveInto(f.Context(), m) }),
		"TryReceiveInto": into(q.TryReceiveInto),
		"All": func(ctx context.Context) (last error) {
			for _, last = range mq.All(ctx, q) {
			}
			return last
		},
		"Receive of a selection":        func(ctx context.Context) error { _, err := r.Receive(ctx); return err },
		"TryReceive of a selection":     func(context.Context) error { _, err := r.TryReceive(); return err },
		"ReceiveInto of a selection":    into(func(m *mq.Message) error { return r.ReceiveInto(f.Context(), m) }),
		"TryReceiveInto of a selection": into(r.TryReceiveInto),
	} {
		check(f.start(f.Context(), name, call).await())
	}
}
