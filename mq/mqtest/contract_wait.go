package mqtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"ipcmq/mq"
)

// rounds is how often events are arranged, each time at another moment.
const rounds = 20

// linger lets others run, longer in later rounds.
func linger(round int) {
	for range round {
		runtime.Gosched()
	}
}

var waitPromises = []promise{
	{"AMessageWakesAReceiver", func(f *fixture) {
		for round := range rounds {
			var got mq.Message
			p := f.start(context.Background(), "Receive", func(ctx context.Context) (err error) {
				got, err = f.q.Receive(ctx)
				return err
			})
			p.awaitWaiting()
			linger(round)
			f.send(f.message("hello"))
			if err := p.await(); err != nil || string(got.Data) != "hello" {
				f.Fatalf("got %q, %v", got.Data, err)
			}
		}
		f.empty()
	}},

	{"RoomWakesASender", func(f *fixture) {
		for round := range rounds {
			n := f.fill()
			p := f.start(context.Background(), "Send", func(ctx context.Context) error { return f.q.Send(ctx, f.message("late")) })
			p.awaitWaiting()
			linger(round)
			f.take(f.q)
			if err := p.await(); err != nil {
				f.Fatal(err)
			}
			if got := 1 + f.drain(); got != n+1 {
				f.Fatalf("%d messages were sent, %d received", n+1, got)
			}
		}
	}},

	{"EveryWaitingCallIsServed", func(f *fixture) {
		const n = 8
		for range rounds {
			var calls []*pending
			for i := range n {
				calls = append(calls, f.start(context.Background(), fmt.Sprintf("Receive %d of %d", i+1, n), func(ctx context.Context) error {
					_, err := f.q.Receive(ctx)
					return err
				}))
			}
			for _, p := range calls {
				p.awaitWaiting()
			}
			for range n {
				f.send(f.message("x"))
			}
			for _, p := range calls {
				if err := p.await(); err != nil {
					f.Fatal(err)
				}
			}
			f.empty()

			sent := f.fill() + n
			calls = nil
			for i := range n {
				calls = append(calls, f.start(context.Background(), fmt.Sprintf("Send %d of %d", i+1, n), func(ctx context.Context) error {
					return f.q.Send(ctx, f.message("x"))
				}))
			}
			for _, p := range calls {
				p.awaitWaiting()
			}
			for range sent {
				if _, err := f.q.Receive(f.patient()); err != nil {
					f.Fatal(err)
				}
			}
			for _, p := range calls {
				if err := p.await(); err != nil {
					f.Fatal(err)
				}
			}
			f.empty()
		}
	}},

	{"ASelectedMessageWakesItsReceiver", func(f *fixture) {
		if !slices.Contains(f.can.Selectors, mq.SelectType) {
			return
		}
		for round := range rounds {
			wait := func(t int64) *pending {
				r, err := f.q.Select(mq.Type(t))
				if err != nil {
					f.Fatal(err)
				}
				return f.start(context.Background(), fmt.Sprintf("Receive of type %d", t), func(ctx context.Context) error {
					m, err := r.Receive(ctx)
					if err == nil && m.Type != t {
						return fmt.Errorf("got type %d, want %d", m.Type, t)
					}
					return err
				})
			}
			one, two := wait(1), wait(2)
			one.awaitWaiting()
			two.awaitWaiting()
			linger(round)
			f.send(mq.Message{Type: 2})
			if err := two.await(); err != nil {
				f.Fatal(err)
			}
			f.send(mq.Message{Type: 1})
			if err := one.await(); err != nil {
				f.Fatal(err)
			}
			if left := f.drainOthers(mq.Type(3), []int64{1, 2}); left != 0 {
				f.Fatalf("%d messages are left", left)
			}
		}
	}},

	{"AnEndedContextMovesNothing", func(f *fixture) {
		canceled, cancel := context.WithCancel(f.Context())
		cancel()
		late, cancel := context.WithDeadline(f.Context(), time.Unix(1, 0))
		defer cancel()
		for ctx, want := range map[context.Context]error{canceled: context.Canceled, late: context.DeadlineExceeded} {
			f.eachBlocked(func(b blocked) {
				p := f.start(ctx, b.name, func(ctx context.Context) error { return b.call(f, f.q, ctx) })
				f.wants(p.await(), want)
			})
			// And where the call could succeed.
			f.drain()
			f.wants(f.q.Send(ctx, f.message("x")), want)
			f.empty()
			f.send(f.message("x"))
			_, err := f.q.Receive(ctx)
			f.wants(err, want)
			f.wants(f.q.ReceiveInto(ctx, &mq.Message{}), want)
			f.take(f.q)
		}
	}},

	{"CancelEndsTheCallAndMovesNothing", func(f *fixture) {
		cause := errors.New("lunch")
		for round := range rounds {
			f.eachBlocked(func(b blocked) {
				ctx, cancel := context.WithCancelCause(f.Context())
				p := f.start(ctx, b.name, func(ctx context.Context) error { return b.call(f, f.q, ctx) })
				p.awaitWaiting()
				linger(round)
				cancel(cause)
				f.wants(p.await(), context.Canceled, cause)
			})
		}
	}},

	{"DeadlineEndsTheCallAndMovesNothing", func(f *fixture) {
		f.eachBlocked(func(b blocked) {
			for _, timeout := range []time.Duration{time.Microsecond, 100 * time.Microsecond, 10 * time.Millisecond} {
				start := time.Now()
				ctx, cancel := context.WithTimeout(f.Context(), timeout)
				p := f.start(ctx, b.name, func(ctx context.Context) error { return b.call(f, f.q, ctx) })
				f.wants(p.await(), context.DeadlineExceeded)
				cancel()
				if d := time.Since(start); d < timeout {
					f.Errorf("%s ended after %v, before its deadline of %v", b.name, d, timeout)
				}
			}
		})
	}},

	{"CancelEndsOnlyItsCall", func(f *fixture) {
		for round := range rounds {
			receive := func(ctx context.Context) error { _, err := f.q.Receive(ctx); return err }
			ctx, cancel := context.WithCancel(f.Context())
			ends := f.start(ctx, "the Receive to cancel", receive)
			if round%2 == 0 { // either may be the first to wait
				ends.awaitWaiting()
			}
			stays := f.start(f.Context(), "the other Receive", receive)
			ends.awaitWaiting()
			stays.awaitWaiting()
			linger(round)
			cancel()
			f.wants(ends.await(), context.Canceled)
			f.send(f.message("x"))
			if err := stays.await(); err != nil {
				f.Fatal(err)
			}
			f.empty()
		}
	}},

	{"SuccessWinsOrNothingMoved", func(f *fixture) {
		for round := range 10 * rounds {
			ctx, cancel := context.WithCancel(f.Context())
			p := f.start(ctx, "Receive", func(ctx context.Context) error {
				m, err := f.q.Receive(ctx)
				if err == nil && string(m.Data) != "x" {
					return fmt.Errorf("got %q", m.Data)
				}
				return err
			})
			p.awaitWaiting()
			go cancel()
			linger(round % 16)
			f.send(f.message("x"))
			if err := p.await(); err != nil {
				f.wants(err, context.Canceled)
				f.take(f.q)
			}
			f.empty()

			n := f.fill()
			ctx, cancel = context.WithCancel(f.Context())
			p = f.start(ctx, "Send", func(ctx context.Context) error { return f.q.Send(ctx, f.message("x")) })
			p.awaitWaiting()
			go cancel()
			linger(round % 16)
			f.take(f.q)
			if err := p.await(); err != nil {
				f.wants(err, context.Canceled)
			} else {
				n++
			}
			if got := 1 + f.drain(); got != n {
				f.Fatalf("%d messages were sent, %d received", n, got)
			}
		}
	}},

	{"ConcurrentCallsLoseAndDoubleNothing", func(f *fixture) {
		f.traffic(4, 4, 250, func(ctx context.Context, call func(context.Context) error) error {
			return call(ctx)
		})
	}},

	{"CallsThatGiveUpLoseAndDoubleNothing", func(f *fixture) {
		f.traffic(3, 3, 100, func(ctx context.Context, call func(context.Context) error) error {
			for {
				short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(200))*time.Microsecond)
				err := call(short)
				cancel()
				if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
					return err
				}
			}
		})
	}},

	{"OneSendersMessagesKeepTheirOrder", func(f *fixture) {
		const senders, each = 3, 200
		ctx := f.patient()
		sent := make(chan error, senders)
		for sender := range senders {
			q := f.handle()
			go func() {
				var err error
				for i := 0; i < each && err == nil; i++ {
					err = q.Send(ctx, f.message(fmt.Sprintf("%d %d", sender, i)))
				}
				sent <- err
			}()
		}
		next := make([]int, senders)
		receiver := f.start(ctx, "the receiver", func(ctx context.Context) error {
			for range senders * each {
				m, err := f.q.Receive(ctx)
				if err != nil {
					return err
				}
				var sender, i int
				if _, err := fmt.Sscan(string(m.Data), &sender, &i); err != nil || i != next[sender] {
					return fmt.Errorf("got message %q of sender %d, want number %d (%v)", m.Data, sender, next[sender], err)
				}
				next[sender]++
			}
			return nil
		})
		if err := receiver.await(); err != nil {
			f.Fatal(err)
		}
		f.join("senders", sent, senders)
	}},
}

// traffic sends each messages from each of the senders to the receivers, all on
// separate handles, making every call with do, and checks that each message
// arrives once.
func (f *fixture) traffic(senders, receivers, each int, do func(context.Context, func(context.Context) error) error) {
	f.Helper()
	if f.q.Capabilities().Remote {
		each /= 4 // a remote call takes as long as a hundred local ones
	}
	ctx := f.patient()
	receiving, done := context.WithCancel(ctx)
	defer done()
	var (
		mu   sync.Mutex
		seen = map[string]int{}
		n    int
	)
	received, sent := make(chan error, receivers), make(chan error, senders)
	for range receivers {
		q := f.handle()
		go func() {
			for {
				var m mq.Message
				err := do(receiving, func(ctx context.Context) error { return q.ReceiveInto(ctx, &m) })
				if err != nil {
					if receiving.Err() != nil {
						err = nil
					}
					received <- err
					return
				}
				mu.Lock()
				seen[string(m.Data)]++
				n++
				if n == senders*each {
					done()
				}
				mu.Unlock()
			}
		}()
	}
	for sender := range senders {
		q := f.handle()
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				m := f.message(fmt.Sprintf("message %d of sender %d", i, sender))
				err = do(ctx, func(ctx context.Context) error { return q.Send(ctx, m) })
			}
			sent <- err
		}()
	}
	f.join("senders", sent, senders)
	f.join("receivers", received, receivers)
	for data, times := range seen {
		if times != 1 {
			f.Errorf("%s was received %d times", data, times)
		}
	}
	if n != senders*each {
		f.Errorf("%d messages were sent, %d received", senders*each, n)
	}
	f.empty()
}

// join waits for the errors of n goroutines.
func (f *fixture) join(who string, errs <-chan error, n int) {
	f.Helper()
	late := time.After(callTimeout + callTimeout/2) // after their contexts
	for i := range n {
		select {
		case err := <-errs:
			if err != nil {
				f.Errorf("%s: %v", who, err)
			}
		case <-late:
			f.Fatalf("%d of %d %s are still blocked", n-i, n, who)
		}
	}
}
