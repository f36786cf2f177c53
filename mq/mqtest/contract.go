package mqtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"ipcmq/mq"
)

// TestQueue checks, in subtests, that a queue keeps the promises of package mq,
// as far as its capabilities go.
//
// open creates a new, empty queue for one test, removes it with t.Cleanup, and
// returns a function that opens another handle on that queue with every call.
// TestQueue closes the handles.
//
//	func TestContract(t *testing.T) {
//		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
//			name := newQueue(t)
//			return func() mq.Queue {
//				q, err := mine.Open(name)
//				if err != nil {
//					t.Fatal(err)
//				}
//				return q
//			}
//		})
//	}
//
// The queue must have room for 8 messages of 64 bytes, and a limit: it is filled,
// so a small one saves time. A queue that declares SeesRemoval must also have a
// method Remove() error. A queue that is an [mq.Leaser] should lend for a short
// time, such as 300 ms: the tests wait for about ten leases to run out.
//
// No subtest depends on a certain order of events to pass. Those about waiting
// calls arrange events at many different moments instead, so run them more than
// once, and with the race detector: go test -race -count=20.
func TestQueue(t *testing.T, open func(t *testing.T) func() mq.Queue) {
	for _, promise := range promises {
		t.Run(promise.name, func(t *testing.T) {
			promise.check(newFixture(t, open))
		})
	}
}

type promise struct {
	name  string
	check func(*fixture)
}

var promises = slices.Concat(messagePromises, waitPromises, closePromises, exchangePromises, leasePromises, leaseBatchPromises, togetherPromises)

// A fixture is what one subtest works with.
type fixture struct {
	*testing.T
	create func(*testing.T) func() mq.Queue
	open   func() mq.Queue
	q      mq.Queue // the first handle
	can    mq.Capabilities
	lends  bool
	lasts  time.Duration // the length of a lease
}

func newFixture(t *testing.T, create func(*testing.T) func() mq.Queue) *fixture {
	t.Helper()
	f := &fixture{T: t, create: create, open: create(t)}
	f.q = f.handle()
	f.can = f.q.Capabilities()
	f.lends = f.isLending()
	return f
}

// callTimeout is how long a call may take that should return immediately.
var callTimeout = 20 * time.Second

// patient returns a context for calls that should return immediately.
func (f *fixture) patient() context.Context {
	ctx, cancel := context.WithTimeout(f.Context(), callTimeout)
	f.Cleanup(cancel)
	return ctx
}

// handle opens another handle on the queue.
func (f *fixture) handle() mq.Queue {
	f.Helper()
	q := f.open()
	f.Cleanup(func() {
		if err := q.Close(); err != nil {
			f.Errorf("Close: %v", err)
		}
	})
	return q
}

// message returns a message of the lowest type, with text as its payload.
func (f *fixture) message(text string) mq.Message {
	m := mq.Message{Data: []byte(text)}
	if f.can.MaxType > 0 {
		m.Type = 1
	}
	return m
}

// send sends a message for which there must be room.
func (f *fixture) send(m mq.Message) {
	f.Helper()
	if err := f.q.TrySend(m); err != nil {
		f.Fatalf("TrySend: %v", err)
	}
}

// take receives a message that must be there.
func (f *fixture) take(r mq.Receiver) mq.Message {
	f.Helper()
	m, err := r.TryReceive()
	if err != nil {
		f.Fatalf("TryReceive: %v", err)
	}
	return m
}

// empty fails the test unless the queue is empty.
func (f *fixture) empty() {
	f.Helper()
	if m, err := f.q.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
		f.Fatalf("TryReceive from a queue that should be empty: %.40q, %v", m.Data, err)
	}
}

// largest returns the largest payload to send.
func (f *fixture) largest() int {
	if f.can.MaxPayload == 0 { // not known
		return 64
	}
	return f.can.MaxPayload
}

// fill sends until not even a byte fits, and returns how many messages that took.
func (f *fixture) fill() int {
	f.Helper()
	m := f.message(string(make([]byte, f.largest())))
	for n := 0; n < 1<<20; n++ {
		err := f.q.TrySend(m)
		if err != nil {
			n--
		}
		switch {
		case err == nil:
		case !errors.Is(err, mq.ErrFull):
			f.Fatalf("TrySend: %v", err)
		case len(m.Data) <= 1:
			return n + 1
		default:
			m.Data = m.Data[:len(m.Data)/2]
		}
	}
	f.Fatal("the queue does not become full")
	return 0
}

// drain takes all messages and returns how many there were.
func (f *fixture) drain() int {
	f.Helper()
	for n := 0; ; n++ {
		_, err := f.q.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			return n
		}
		if err != nil {
			f.Fatalf("TryReceive: %v", err)
		}
	}
}

// drainOthers takes the messages that s has left, of the given types, and returns
// how many there were.
func (f *fixture) drainOthers(s mq.Selector, types []int64) (n int) {
	f.Helper()
	if !f.can.Exclusive || s == mq.Any() {
		return f.drain()
	}
	types = slices.Compact(slices.Sorted(slices.Values(types)))
	for _, t := range types {
		r, err := f.q.Select(mq.Type(t))
		if err != nil {
			f.Fatalf("Select: %v", err)
		}
		for err == nil {
			if _, err = r.TryReceive(); err == nil {
				n++
			}
		}
		f.wants(err, mq.ErrEmpty)
	}
	return n
}

// wants fails the test unless err matches all targets and is an *mq.Error.
func (f *fixture) wants(err error, targets ...error) {
	f.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			f.Fatalf("got error %v (%T), want one that matches %v", err, err, target)
		}
	}
	var e *mq.Error
	if !errors.As(err, &e) || e.Op == "" {
		f.Fatalf("error %v is a %T, want an *mq.Error that names its operation", err, err)
	}
}

// A pending is a call in a separate goroutine.
type pending struct {
	f       *fixture
	name    string
	waiting <-chan struct{} // closed when the call has asked for ctx.Done(), so it is about to wait
	err     chan error
}

// start calls call with ctx in a goroutine.
func (f *fixture) start(ctx context.Context, name string, call func(context.Context) error) *pending {
	spy := &spy{Context: ctx, asked: make(chan struct{})}
	p := &pending{f: f, name: name, waiting: spy.asked, err: make(chan error, 1)}
	go func() { p.err <- call(spy) }()
	return p
}

// await returns the error of the call.
func (p *pending) await() error {
	p.f.Helper()
	select {
	case err := <-p.err:
		return err
	case <-time.After(callTimeout):
		p.f.Fatalf("%s is still blocked", p.name)
		return nil
	}
}

// awaitWaiting returns when the call is about to wait, or has returned.
func (p *pending) awaitWaiting() {
	p.f.Helper()
	select {
	case <-p.waiting:
	case err := <-p.err:
		p.err <- err
	case <-time.After(callTimeout):
		p.f.Fatalf("%s neither returns nor looks at its context", p.name)
	}
}

// A spy is a context that signals when a call is about to wait for it.
type spy struct {
	context.Context
	once  sync.Once
	asked chan struct{}
}

func (s *spy) Done() <-chan struct{} {
	s.once.Do(func() { close(s.asked) })
	return s.Context.Done()
}

// A blocked is one of the queue's calls that can wait, and the preparation that
// makes it wait.
type blocked struct {
	name    string
	leases  bool // only for queues that lend
	prepare func(*fixture)
	call    func(*fixture, mq.Queue, context.Context) error
}

var blockedCalls = []blocked{
	{"Send", false, func(f *fixture) { f.fill() },
		func(f *fixture, q mq.Queue, ctx context.Context) error { return q.Send(ctx, f.message("late")) }},
	{"Receive", false, func(*fixture) {},
		func(f *fixture, q mq.Queue, ctx context.Context) error {
			m, err := q.Receive(ctx)
			if err != nil && (m.Data != nil || m.Type != 0 || m.Priority != 0) {
				return fmt.Errorf("an error together with message %+v", m)
			}
			return err
		}},
	{"ReceiveInto", false, func(*fixture) {},
		func(f *fixture, q mq.Queue, ctx context.Context) error {
			m := mq.Message{Type: 77, Priority: 78, Data: []byte("as it was")}
			err := q.ReceiveInto(ctx, &m)
			if err != nil && (string(m.Data) != "as it was" || m.Type != 77 || m.Priority != 78) {
				return fmt.Errorf("an error, and the message changed to %+v", m)
			}
			return err
		}},
	{"Receive of Select(Any())", false, func(*fixture) {},
		func(f *fixture, q mq.Queue, ctx context.Context) error {
			r, err := q.Select(mq.Any())
			if err == nil {
				_, err = r.Receive(ctx)
			}
			return err
		}},
	{"All", false, func(*fixture) {},
		func(f *fixture, q mq.Queue, ctx context.Context) (last error) {
			for m, err := range mq.All(ctx, q) {
				if last != nil {
					return fmt.Errorf("the iterator continues after an error, with %+v, %v", m, err)
				}
				last = err
			}
			return last
		}},
	{"Lease", true, func(*fixture) {},
		func(f *fixture, q mq.Queue, ctx context.Context) error {
			r, err := q.(mq.Leaser).SelectLeases(mq.Any())
			if err != nil {
				return err
			}
			l, err := r.Lease(ctx)
			if err != nil && l != nil {
				return fmt.Errorf("an error together with a lease of %q", l.Message().Data)
			}
			return err
		}},
	{"LeaseBatch", true, func(*fixture) {},
		func(f *fixture, q mq.Queue, ctx context.Context) error {
			r, err := q.(mq.Leaser).SelectLeases(mq.Any())
			if err != nil {
				return err
			}
			leases, err := r.LeaseBatch(ctx, 3)
			if err != nil && len(leases) > 0 {
				return fmt.Errorf("an error together with %d leases", len(leases))
			}
			return err
		}},
}

// waits returns the queue's calls that can wait.
func (f *fixture) waits() []blocked {
	if f.lends {
		return blockedCalls
	}
	return slices.DeleteFunc(slices.Clone(blockedCalls), func(b blocked) bool { return b.leases })
}

// eachBlocked runs check for every call that can wait, on a queue in which it
// waits.
func (f *fixture) eachBlocked(check func(b blocked)) {
	f.Helper()
	for _, b := range f.waits() {
		f.drain()
		b.prepare(f)
		before := f.count()
		check(b)
		if after := f.count(); after != before {
			f.Fatalf("%s: %d messages in the queue, %d before", b.name, after, before)
		}
	}
}

// count returns how many messages are in the queue; it changes their order.
func (f *fixture) count() int {
	f.Helper()
	q := f.handle() // the first one may be closed
	var all []mq.Message
	for {
		m, err := q.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			break
		}
		if err != nil {
			f.Fatalf("TryReceive: %v", err)
		}
		all = append(all, m)
	}
	for _, m := range all {
		if err := q.TrySend(m); err != nil {
			f.Fatalf("TrySend of what was just received: %v", err)
		}
	}
	return len(all)
}
