package mqtest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

// A faulty queue breaks one promise, in the function that is not nil.
type faulty struct {
	*mqtest.Queue
	fault fault
}

type fault struct {
	name    string
	seenBy  []string // subtests that must fail
	send    func(q *mqtest.Queue, ctx context.Context, m mq.Message) error
	receive func(q mq.Receiver, ctx context.Context, m *mq.Message) error // ctx is nil for Try
	batch   func(q *mqtest.Queue, ctx context.Context, n int) ([]mq.Message, error)
	choose  func(q *mqtest.Queue, s mq.Selector) (mq.Receiver, error)
	close   func(q *mqtest.Queue) error
	remove  func(q *mqtest.Queue) error
	can     func(*mq.Capabilities)
	open    func(q *mqtest.Queue) *mqtest.Queue
}

func (f *faulty) Send(ctx context.Context, m mq.Message) error {
	if f.fault.send != nil {
		return f.fault.send(f.Queue, ctx, m)
	}
	return f.Queue.Send(ctx, m)
}

func (f *faulty) TrySend(m mq.Message) error {
	if f.fault.send != nil {
		return f.fault.send(f.Queue, nil, m)
	}
	return f.Queue.TrySend(m)
}

func (f *faulty) ReceiveInto(ctx context.Context, m *mq.Message) error {
	if f.fault.receive != nil {
		return f.fault.receive(f.Queue, ctx, m)
	}
	return f.Queue.ReceiveInto(ctx, m)
}

func (f *faulty) TryReceiveInto(m *mq.Message) error {
	if f.fault.receive != nil {
		return f.fault.receive(f.Queue, nil, m)
	}
	return f.Queue.TryReceiveInto(m)
}

func (f *faulty) Receive(ctx context.Context) (m mq.Message, err error) {
	err = f.ReceiveInto(ctx, &m)
	return m, err
}

func (f *faulty) TryReceive() (m mq.Message, err error) {
	err = f.TryReceiveInto(&m)
	return m, err
}

func (f *faulty) Select(s mq.Selector) (mq.Receiver, error) {
	if f.fault.choose != nil {
		return f.fault.choose(f.Queue, s)
	}
	return f.Queue.Select(s)
}

func (f *faulty) Close() error {
	if f.fault.close != nil {
		return f.fault.close(f.Queue)
	}
	return f.Queue.Close()
}

func (f *faulty) Remove() error {
	if f.fault.remove != nil {
		return f.fault.remove(f.Queue)
	}
	return f.Queue.Remove()
}

func (f *faulty) Capabilities() mq.Capabilities {
	c := f.Queue.Capabilities()
	if f.fault.can != nil {
		f.fault.can(&c)
	}
	return c
}

// send and receive are the calls of a queue without a fault.
func send(q *mqtest.Queue, ctx context.Context, m mq.Message) error {
	if ctx == nil {
		return q.TrySend(m)
	}
	return q.Send(ctx, m)
}

func receive(q mq.Receiver, ctx context.Context, m *mq.Message) error {
	if ctx == nil {
		return q.TryReceiveInto(m)
	}
	return q.ReceiveInto(ctx, m)
}

var shared [8192]byte

var faults = []fault{
	{name: "none"},
	{
		name: "a canceled receive takes a message", seenBy: []string{"AnEndedContextMovesNothing"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			err := receive(q, ctx, m)
			if err != nil && ctx != nil && ctx.Err() != nil {
				q.TryReceive()
			}
			return err
		},
	}, {
		name: "a canceled send sends", seenBy: []string{"AnEndedContextMovesNothing"},
		send: func(q *mqtest.Queue, ctx context.Context, m mq.Message) error {
			err := send(q, ctx, m)
			if err != nil && ctx != nil && ctx.Err() != nil {
				q.TrySend(m)
			}
			return err
		},
	}, {
		name: "contexts are ignored", seenBy: []string{"CancelEndsTheCallAndMovesNothing", "DeadlineEndsTheCallAndMovesNothing"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			if ctx != nil {
				ctx = context.WithoutCancel(ctx)
			}
			return receive(q, ctx, m)
		},
	}, {
		name: "the cause is lost", seenBy: []string{"CancelEndsTheCallAndMovesNothing"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			err := receive(q, ctx, m)
			if errors.Is(err, context.Canceled) {
				return &mq.Error{Op: "receive", Kind: context.Canceled}
			}
			return err
		},
	}, {
		name: "deadlines pass early", seenBy: []string{"DeadlineEndsTheCallAndMovesNothing"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			if ctx != nil {
				if _, ok := ctx.Deadline(); ok && q.TryReceiveInto(m) != nil {
					return &mq.Error{Op: "receive", Kind: context.DeadlineExceeded}
				}
			}
			return receive(q, ctx, m)
		},
	}, {
		name: "cancel of one ends all", seenBy: []string{"CancelEndsOnlyItsCall"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			err := receive(q, ctx, m)
			if errors.Is(err, context.Canceled) {
				q.(*mqtest.Queue).Close()
			}
			return err
		},
	}, {
		name: "messages are lost", seenBy: []string{"ConcurrentCallsLoseAndDoubleNothing"},
		send: func(q *mqtest.Queue, ctx context.Context, m mq.Message) error {
			if ctx != nil && q.Stat().Senders+q.Stat().Messages > 3 {
				return nil
			}
			return send(q, ctx, m)
		},
	}, {
		name: "messages are doubled", seenBy: []string{"ConcurrentCallsLoseAndDoubleNothing"},
		send: func(q *mqtest.Queue, ctx context.Context, m mq.Message) error {
			if ctx != nil {
				q.TrySend(m)
			}
			return send(q, ctx, m)
		},
	}, {
		name: "the last comes first", seenBy: []string{"FirstInIsFirstOut"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			queue := q.(*mqtest.Queue)
			for n := queue.Stat().Messages; n > 1; n-- {
				turned, err := queue.TryReceive()
				if err == nil {
					queue.TrySend(turned)
				}
			}
			return receive(q, ctx, m)
		},
	}, {
		name: "empty payloads vanish", seenBy: []string{"MessagesArriveAsTheyWereSent"},
		send: func(q *mqtest.Queue, ctx context.Context, m mq.Message) error {
			if len(m.Data) == 0 {
				return nil
			}
			return send(q, ctx, m)
		},
	}, {
		name: "payloads end at a newline", seenBy: []string{"MessagesArriveAsTheyWereSent"},
		send: func(q *mqtest.Queue, ctx context.Context, m mq.Message) error {
			text, _, _ := strings.Cut(string(m.Data), "\n")
			m.Data = []byte(text)
			return send(q, ctx, m)
		},
	}, {
		name: "types have 32 bits", seenBy: []string{"MessagesArriveAsTheyWereSent"},
		send: func(q *mqtest.Queue, ctx context.Context, m mq.Message) error {
			m.Type &= 1<<32 - 1
			return send(q, ctx, m)
		},
	}, {
		name: "what is too large is cut", seenBy: []string{"TooLargeIsRefusedAtOnce"},
		send: func(q *mqtest.Queue, ctx context.Context, m mq.Message) error {
			m.Data = m.Data[:min(len(m.Data), q.Capabilities().MaxPayload)]
			return send(q, ctx, m)
		},
	}, {
		name: "type 0 becomes 1", seenBy: []string{"InvalidTypesAreRefused"},
		send: func(q *mqtest.Queue, ctx context.Context, m mq.Message) error {
			if m.Type == 0 {
				m.Type = 1
			}
			return send(q, ctx, m)
		},
	}, {
		name: "Try waits", seenBy: []string{"TryNeverWaits"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			if ctx == nil && m.Truncated { // only where the contract looks, to save time
				ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
				defer cancel()
				return receive(q, ctx, m)
			}
			return receive(q, ctx, m)
		},
	}, {
		name: "received slices share memory", seenBy: []string{"TheReceiverOwnsItsSlice"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			m.Data = shared[:]
			return receive(q, ctx, m)
		},
	}, {
		name: "memory is not reused", seenBy: []string{"ReceiveIntoReusesMemory"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			got := mq.Message{}
			err := receive(q, ctx, &got)
			if err == nil {
				*m = got
			}
			return err
		},
	}, {
		name: "an error changes the message", seenBy: []string{"TryNeverWaits", "CancelEndsTheCallAndMovesNothing", "AClosedHandleRefusesEveryCall"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			err := receive(q, ctx, m)
			if err != nil {
				m.Data = nil
			}
			return err
		},
	}, {
		name: "errors are only sentinels", seenBy: []string{"TryNeverWaits"},
		receive: func(q mq.Receiver, ctx context.Context, m *mq.Message) error {
			err := receive(q, ctx, m)
			if errors.Is(err, mq.ErrEmpty) {
				return mq.ErrEmpty
			}
			return err
		},
	}, {
		name: "every selector is Any", seenBy: []string{"SelectorsTakeWhatTheySelect", "OtherSelectorsAreRefused"},
		choose: func(q *mqtest.Queue, _ mq.Selector) (mq.Receiver, error) { return q.Select(mq.Any()) },
	}, {
		name: "selectors are not declared", seenBy: []string{"OtherSelectorsAreRefused"},
		can: func(c *mq.Capabilities) { c.Selectors = c.Selectors[:1] },
	}, {
		name: "Any is not declared", seenBy: []string{"CapabilitiesAreDeclared"},
		can: func(c *mq.Capabilities) { c.Selectors = c.Selectors[1:] },
	}, {
		name: "Close removes", seenBy: []string{"CloseKeepsTheMessages", "CloseLeavesOtherHandlesAlone"},
		close: func(q *mqtest.Queue) error {
			q.Remove()
			return q.Close()
		},
	}, {
		name: "Close fails the second time", seenBy: []string{"CloseMayBeRepeated"},
		close: func(q *mqtest.Queue) error {
			_, err := q.TryReceive()
			q.Close()
			if errors.Is(err, mq.ErrClosed) {
				return err
			}
			return nil
		},
	}, {
		name: "Close unblocks nothing", seenBy: []string{"CloseEndsEveryBlockedCallAndMovesNothing", "AClosedHandleRefusesEveryCall"},
		close: func(*mqtest.Queue) error { return nil },
	}, {
		name: "there is one handle for all", seenBy: []string{"CloseLeavesOtherHandlesAlone", "CloseKeepsTheMessages"},
		open: func(q *mqtest.Queue) *mqtest.Queue { return q },
	}, {
		name: "removal looks like Close", seenBy: []string{"RemovalEndsEveryBlockedCall", "ARemovedQueueRefusesEveryCall"},
		remove: (*mqtest.Queue).Close,
	},
}

var roles = map[string]func(){"faulty": testFaulty, "faulty leases": testFaultyLeases}

// testFaulty runs the contract on a queue with the fault that its argument
// names.
func testFaulty() {
	i := slices.IndexFunc(faults, func(f fault) bool { return f.name == os.Args[1] })
	if err := flag.CommandLine.Parse([]string{"-test.v"}); err != nil {
		panic(err)
	}
	if len(faults[i].seenBy) > 0 {
		mqtest.SetCallTimeout(100 * time.Millisecond) // the test fails anyway
	}
	test := func(t *testing.T) {
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
			q := mqtest.New(&mqtest.Config{Capacity: 2048, MaxMessage: 1024})
			return func() mq.Queue {
				if open := faults[i].open; open != nil {
					return &faulty{open(q), faults[i]}
				}
				return &faulty{q.Open(), faults[i]}
			}
		})
	}
	every := func(string, string) (bool, error) { return true, nil }
	testing.Main(every, []testing.InternalTest{{Name: "Faulty", F: test}}, nil, nil) // exits
}

func TestTheContractSeesFaults(t *testing.T) {
	for _, fault := range faults {
		t.Run(strings.ReplaceAll(fault.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			out, err := testutil.Command(t, "faulty", fault.name).Output()
			if failed := err != nil; failed != (len(fault.seenBy) > 0) || !strings.Contains(string(out), ": Faulty/CapabilitiesAreDeclared") {
				t.Errorf("%v, after\n%s", err, out)
			}
			for _, name := range fault.seenBy {
				if !strings.Contains(string(out), fmt.Sprintf("--- FAIL: Faulty/%s ", name)) {
					t.Errorf("%s does not see it", name)
				}
			}
		})
	}
}
