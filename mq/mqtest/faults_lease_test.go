package mqtest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

// faultyLeases is a queue that breaks one promise about leases, in the function
// that is not nil.
type faultyLeases struct {
	*mqtest.Queue
	fault leaseFault

	mu   sync.Mutex
	held []mq.Lease
}

type leaseFault struct {
	name   string
	seenBy []string // subtests that must fail
	choose func(q *mqtest.Queue, s mq.Selector) (mq.LeaseReceiver, error)
	lend   func(r mq.LeaseReceiver, q *mqtest.Queue, ctx context.Context, n int) ([]mq.Lease, error)
	acks   func(ctx context.Context, leases []mq.Lease) []error
	close  func(q *faultyLeases) error
	heads  bool // says that there are headers

	message  func(l *faultyLease) mq.Message
	sequence func(l *faultyLease) uint64
	attempt  func(l *faultyLease) int
	deadline func(l *faultyLease) time.Time
	ack      func(l *faultyLease, ctx context.Context) error
	nak      func(l *faultyLease, ctx context.Context, delay time.Duration) error
	extend   func(l *faultyLease, ctx context.Context) error
}

func (q *faultyLeases) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	choose := (*mqtest.Queue).SelectLeases
	if q.fault.choose != nil {
		choose = q.fault.choose
	}
	r, err := choose(q.Queue, s)
	if err != nil {
		return nil, err
	}
	return &faultyReceiver{r, q}, nil
}

func (q *faultyLeases) Capabilities() mq.Capabilities {
	can := q.Queue.Capabilities()
	can.Headers = q.fault.heads
	return can
}

func (q *faultyLeases) Close() error {
	if q.fault.close != nil {
		return q.fault.close(q)
	}
	return q.Queue.Close()
}

type faultyReceiver struct {
	mq.LeaseReceiver
	q *faultyLeases
}

func (r *faultyReceiver) Lease(ctx context.Context) (mq.Lease, error) {
	leases, err := r.LeaseBatch(ctx, 1)
	if err != nil {
		return nil, err
	}
	return leases[0], nil
}

func (r *faultyReceiver) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	lend := func(r mq.LeaseReceiver, _ *mqtest.Queue, ctx context.Context, n int) ([]mq.Lease, error) {
		return r.LeaseBatch(ctx, n)
	}
	if r.q.fault.lend != nil {
		lend = r.q.fault.lend
	}
	leases, err := lend(r.LeaseReceiver, r.q.Queue, ctx, n)
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	r.q.held = append(r.q.held, leases...)
	leases = slices.Clone(leases)
	for i := range leases {
		leases[i] = &faultyLease{leases[i], r.q, leases[i].Deadline()}
	}
	return leases, err
}

type faultyLease struct {
	mq.Lease
	q     *faultyLeases
	first time.Time // deadline
}

func (l *faultyLease) Message() mq.Message {
	if f := l.q.fault.message; f != nil {
		return f(l)
	}
	return l.Lease.Message()
}

func (l *faultyLease) Sequence() uint64 {
	if f := l.q.fault.sequence; f != nil {
		return f(l)
	}
	return l.Lease.Sequence()
}

func (l *faultyLease) Attempt() int {
	if f := l.q.fault.attempt; f != nil {
		return f(l)
	}
	return l.Lease.Attempt()
}

func (l *faultyLease) Deadline() time.Time {
	if f := l.q.fault.deadline; f != nil {
		return f(l)
	}
	return l.Lease.Deadline()
}

func (l *faultyLease) Ack(ctx context.Context) error {
	if f := l.q.fault.ack; f != nil {
		return f(l, ctx)
	}
	return l.Lease.Ack(ctx)
}

func (l *faultyLease) Nak(ctx context.Context, delay time.Duration) error {
	if f := l.q.fault.nak; f != nil {
		return f(l, ctx, delay)
	}
	return l.Lease.Nak(ctx, delay)
}

func (l *faultyLease) Extend(ctx context.Context) error {
	if f := l.q.fault.extend; f != nil {
		return f(l, ctx)
	}
	return l.Lease.Extend(ctx)
}

// testLease is long because of busy machines: a fault that shows within a part
// of this time, such as a lease that ends early, must not be mistaken for a
// late wakeup.
const testLease = time.Second

var sharedBy sync.Map // payloads by sequence

var leaseFaults = []leaseFault{
	{name: "none"},
	{name: "headers are promised", seenBy: []string{"HeadersComeWithLeasesWhereThereAreAny"}, heads: true},
	{
		name: "leases cannot be canceled", seenBy: []string{"CancelEndsTheCallAndMovesNothing"},
		lend: func(r mq.LeaseReceiver, q *mqtest.Queue, ctx context.Context, n int) ([]mq.Lease, error) {
			if _, ok := ctx.Deadline(); !ok { // only where the contract looks, to save time
				ctx = context.WithoutCancel(ctx)
			}
			return r.LeaseBatch(ctx, n)
		},
	}, {
		name: "leases are receives", seenBy: []string{"LeasesRunOutAndAreLentAgain", "LeasedMessagesTakeRoomUntilAckedUnlessTheyLeaveIt"},
		lend: func(r mq.LeaseReceiver, q *mqtest.Queue, ctx context.Context, n int) ([]mq.Lease, error) {
			leases, err := r.LeaseBatch(ctx, n)
			for _, l := range leases {
				l.Ack(ctx)
			}
			return leases, err
		},
	}, {
		name: "leased messages are not hidden", seenBy: []string{"LeasedMessagesAreHiddenFromOthers"},
		lend: func(r mq.LeaseReceiver, q *mqtest.Queue, ctx context.Context, n int) ([]mq.Lease, error) {
			leases, err := r.LeaseBatch(ctx, n)
			for _, l := range leases {
				l.Nak(ctx, 0)
			}
			return leases, err
		},
	}, {
		name: "leases end early", seenBy: []string{"LeasesRunOutAndAreLentAgain", "CloseGivesNothingAway"},
		deadline: func(l *faultyLease) time.Time { return l.Lease.Deadline().Add(2 * testLease) },
	}, {
		name: "Ack removes nothing", seenBy: []string{"AckRemoves"},
		ack: func(*faultyLease, context.Context) error { return nil },
	}, {
		name: "Ack gives back", seenBy: []string{"AckRemoves"},
		ack: func(l *faultyLease, ctx context.Context) error { return l.Lease.Nak(ctx, 0) },
	}, {
		name: "a late Ack is refused", seenBy: []string{"LeasesRunOutAndAreLentAgain"},
		ack: func(l *faultyLease, ctx context.Context) error {
			if time.Until(l.Deadline()) < 0 {
				return &mq.Error{Op: "ack", Kind: errors.New("lease has run out")}
			}
			return l.Lease.Ack(ctx)
		},
	}, {
		name: "Nak does nothing", seenBy: []string{"NakGivesBackAtOnce", "NakWithADelayGivesBackLater"},
		nak: func(*faultyLease, context.Context, time.Duration) error { return nil },
	}, {
		name: "Nak removes", seenBy: []string{"NakGivesBackAtOnce", "NakWithADelayGivesBackLater"},
		nak: func(l *faultyLease, ctx context.Context, _ time.Duration) error { return l.Lease.Ack(ctx) },
	}, {
		name: "Nak ignores its delay", seenBy: []string{"NakWithADelayGivesBackLater"},
		nak: func(l *faultyLease, ctx context.Context, _ time.Duration) error { return l.Lease.Nak(ctx, 0) },
	}, {
		name: "Extend does nothing", seenBy: []string{"ExtendProlongsALease"},
		extend: func(*faultyLease, context.Context) error { return nil },
	}, {
		name: "Extend moves only the deadline", seenBy: []string{"ExtendProlongsALease"},
		extend:   func(*faultyLease, context.Context) error { return nil },
		deadline: func(l *faultyLease) time.Time { return time.Now().Add(testLease) },
	}, {
		name: "Extend does not move the deadline", seenBy: []string{"ExtendProlongsALease"},
		deadline: func(l *faultyLease) time.Time { return l.first },
	}, {
		name: "every attempt is the first", seenBy: []string{"NakGivesBackAtOnce", "LeasesRunOutAndAreLentAgain"},
		attempt: func(*faultyLease) int { return 1 },
	}, {
		name: "attempts count from 0", seenBy: []string{"LeasedMessagesAreHiddenFromOthers", "LeaseBatchTakesWhatIsThereUpToItsLimit"},
		attempt: func(l *faultyLease) int { return l.Lease.Attempt() - 1 },
	}, {
		name: "sequences number the leases", seenBy: []string{"NakGivesBackAtOnce", "LeasesRunOutAndAreLentAgain"},
		sequence: func(l *faultyLease) uint64 { return 10*l.Lease.Sequence() + uint64(l.Lease.Attempt()) },
	}, {
		name: "sequences are all the same", seenBy: []string{"LeasesRunOutAndAreLentAgain"},
		sequence: func(l *faultyLease) uint64 { return 1 },
	}, {
		name: "Close gives back", seenBy: []string{"CloseGivesNothingAway"},
		close: func(q *faultyLeases) error {
			q.mu.Lock()
			defer q.mu.Unlock()
			for _, l := range q.held {
				l.Nak(context.Background(), 0)
			}
			return q.Queue.Close()
		},
	}, {
		name: "a batch is as large as the queue", seenBy: []string{"LeaseBatchTakesWhatIsThereUpToItsLimit"},
		lend: func(r mq.LeaseReceiver, q *mqtest.Queue, ctx context.Context, n int) ([]mq.Lease, error) {
			if n > 1 {
				n = 100
			}
			return r.LeaseBatch(ctx, n)
		},
	}, {
		name: "a batch is one message", seenBy: []string{"LeaseBatchTakesWhatIsThereUpToItsLimit"},
		lend: func(r mq.LeaseReceiver, q *mqtest.Queue, ctx context.Context, n int) ([]mq.Lease, error) {
			return r.LeaseBatch(ctx, min(n, 1))
		},
	}, {
		name: "a batch of none is nothing", seenBy: []string{"SelectLeasesRefusesWhatCannotBeLent"},
		lend: func(r mq.LeaseReceiver, q *mqtest.Queue, ctx context.Context, n int) ([]mq.Lease, error) {
			if n < 1 {
				return nil, nil
			}
			return r.LeaseBatch(ctx, n)
		},
	}, {
		name: "a canceled lease strands its message", seenBy: []string{"CanceledLeasesStrandNothing"},
		lend: func(r mq.LeaseReceiver, q *mqtest.Queue, ctx context.Context, n int) ([]mq.Lease, error) {
			if ctx.Err() != nil && q.Stat().Messages > 0 {
				r.LeaseBatch(context.WithoutCancel(ctx), n)
			}
			return r.LeaseBatch(ctx, n)
		},
	}, {
		name: "leases outlive Close", seenBy: []string{"CloseGivesNothingAway", "AClosedOrRemovedQueueLendsNothing"},
		choose: func(q *mqtest.Queue, s mq.Selector) (mq.LeaseReceiver, error) { return q.Open().SelectLeases(s) },
	}, {
		name: "every lease is of any type", seenBy: []string{"LeasesAreOfWhatIsSelected", "SelectLeasesRefusesWhatCannotBeLent"},
		choose: func(q *mqtest.Queue, _ mq.Selector) (mq.LeaseReceiver, error) { return q.SelectLeases(mq.Any()) },
	}, {
		name: "holders share memory", seenBy: []string{"TheHolderOwnsItsSlice"},
		message: func(l *faultyLease) mq.Message {
			m := l.Lease.Message()
			data, _ := sharedBy.LoadOrStore(l.Sequence(), m.Data)
			m.Data = data.([]byte)
			return m
		},
	},
}

// testFaultyLeases runs the contract on a queue with the fault that its
// argument names: the whole contract if there is no fault, and otherwise the
// subtests that must see it.
func testFaultyLeases() {
	i := slices.IndexFunc(leaseFaults, func(f leaseFault) bool { return f.name == os.Args[1] })
	if err := flag.CommandLine.Parse([]string{"-test.v"}); err != nil {
		panic(err)
	}
	every := func(string, string) (bool, error) { return true, nil }
	if names := leaseFaults[i].seenBy; len(names) > 0 {
		mqtest.RunOnly(append(names, "CapabilitiesAreDeclared")...)
		mqtest.SetCallTimeout(4 * testLease) // the test fails anyway
	}
	test := func(t *testing.T) {
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
			q := mqtest.New(&mqtest.Config{Capacity: 2048, MaxMessage: 1024, Lease: testLease})
			return func() mq.Queue { return &faultyLeases{Queue: q.Open(), fault: leaseFaults[i]} }
		})
	}
	testing.Main(every, []testing.InternalTest{{Name: "Faulty", F: test}}, nil, nil) // exits
}

func TestTheContractSeesFaultsOfLeases(t *testing.T) {
	t.Parallel()
	type result struct {
		out []byte
		err error
	}
	results := make([]chan result, len(leaseFaults))
	atOnce := make(chan struct{}, 8) // they wait most of the time
	for i, fault := range leaseFaults {
		results[i] = make(chan result, 1)
		child := testutil.Command(t, "faulty leases", fault.name)
		go func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			out, err := child.Output()
			results[i] <- result{out, err}
		}()
	}
	for i, fault := range leaseFaults {
		t.Run(strings.ReplaceAll(fault.name, " ", "_"), func(t *testing.T) {
			r := <-results[i]
			if failed := r.err != nil; failed != (len(fault.seenBy) > 0) || !strings.Contains(string(r.out), ": Faulty/CapabilitiesAreDeclared") {
				t.Errorf("%v, after\n%s", r.err, r.out)
			}
			for _, name := range fault.seenBy {
				if !strings.Contains(string(r.out), fmt.Sprintf("--- FAIL: Faulty/%s ", name)) {
					t.Errorf("%s does not see it:\n%s", name, r.out)
				}
			}
		})
	}
}
