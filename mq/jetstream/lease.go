package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
)

// What a holder sends to the server about a message.
var (
	ackBody    = []byte("+ACK")
	nakBody    = []byte("-NAK")
	extendBody = []byte("+WPI") // work in progress
)

// SelectLeases is Select for leases. A queue in claim mode has none, and
// refuses with errors.ErrUnsupported.
func (q *Queue) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	const op = "select leases"
	if err := q.selectable(op, s); err != nil {
		return nil, err
	}
	if q.mode == ClaimMode {
		return nil, q.unsupported(op, nil, "a queue in claim mode has no leases: what is received is removed; create the queue in lease mode")
	}
	c, err := q.begin(op, context.Background(), false, q.handle.Access.CanReceive())
	if err != nil {
		return nil, err
	}
	defer c.end()
	from := q.consumer(s)
	if err := from.ensureSoon(c); err != nil {
		return nil, err
	}
	return &leases{from}, nil
}

// leases lends the messages of one selector.
type leases struct{ from *consumer }

var _ mq.BatchAcker = (*leases)(nil)

// Lease takes the next message on lease, waiting for one. See
// [mq.LeaseReceiver].
func (r *leases) Lease(ctx context.Context) (mq.Lease, error) {
	batch, err := r.LeaseBatch(ctx, 1)
	if err != nil {
		return nil, err
	}
	return batch[0], nil
}

// LeaseBatch takes up to n messages on lease, 256 at most, waiting for the first
// one. See [mq.LeaseReceiver].
func (r *leases) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	if n < 1 {
		return nil, r.from.q.badBatch("lease", n)
	}
	return r.lease(ctx, true, n)
}

// TryLease takes the next message on lease if there is one now. It waits for answers of
// the server, 1 second each, but not for a message. See [mq.LeaseReceiver].
func (r *leases) TryLease() (mq.Lease, error) {
	batch, err := r.lease(context.Background(), false, 1)
	if err != nil {
		return nil, err
	}
	return batch[0], nil
}

// AckBatch acknowledges leases of this receiver together, with one round trip. Those
// without an answer within a second are in doubt, and those that the server has forgotten
// fail with [mq.ErrUnavailable]: Ack can find out more. See [mq.BatchAcker].
func (r *leases) AckBatch(ctx context.Context, leases []mq.Lease) []error {
	const op = "ack"
	q := r.from.q
	c, err := q.begin(op, ctx, true, true)
	if err != nil {
		return slices.Repeat([]error{err}, len(leases))
	}
	defer c.end()
	for _, l := range leases {
		if own, ok := l.(*lease); !ok || own.q != q {
			return slices.Repeat([]error{q.handle.Fail(op, mq.ErrInvalidConfig, nil, "a lease of another queue")}, len(leases))
		}
	}
	round := q.newRound()
	for _, l := range leases {
		round.ask(l.(*lease).subject, ackBody)
	}
	errs := round.await(c.ctx, graceWait)
	for i, err := range errs {
		switch {
		case isDoubtful(err):
			errs[i] = q.lost(op, err)
		case err != nil:
			errs[i] = c.failed(err)
		}
	}
	q.tellRoom()
	return errs
}

// lease takes up to n messages on lease, and waits for the first one if waits is set.
func (r *leases) lease(ctx context.Context, waits bool, n int) ([]mq.Lease, error) {
	q := r.from.q
	c, err := q.begin("lease", ctx, waits, q.handle.Access.CanReceive())
	if err != nil {
		return nil, err
	}
	defer c.end()
	from, err := r.from.lend(c, n)
	if err != nil {
		return nil, err
	}
	made := time.Now()
	if made.Sub(from.asked) < q.ackWait/4 {
		made = from.asked // the server has lent them since then, and may have taken its time
	}
	batch := make([]mq.Lease, len(from.msgs))
	for i, m := range from.msgs {
		batch[i] = newLease(q, m, made, from.created)
	}
	return batch, nil
}

// A lease is a message that a server has lent to this program.
type lease struct {
	q        *Queue
	message  mq.Message
	header   mq.Header
	id       string
	stored   time.Time
	subject  string // to answer to
	consumer string // that has lent it
	sequence uint64
	attempt  int
	deadline atomic.Int64 // nanoseconds since the lease was made
	made     time.Time
	created  time.Time // when the consumer was made
}

func newLease(q *Queue, m *nats.Msg, made, created time.Time) *lease {
	l := &lease{q: q, message: messageOf(m), header: headerOf(m), id: m.Header.Get(nats.MsgIdHdr), subject: m.Reply, made: made, created: created}
	if meta, err := m.Metadata(); err == nil { // or it is no message of a consumer
		l.sequence, l.attempt, l.consumer, l.stored = meta.Sequence.Stream, int(meta.NumDelivered), meta.Consumer, meta.Timestamp
	}
	l.deadline.Store(int64(q.ackWait))
	return l
}

// Message returns the message. See [mq.Lease].
func (l *lease) Message() mq.Message { return l.message }

// Header returns what came with the message. See [mq.HeaderOf].
func (l *lease) Header() mq.Header { return l.header }

// ID returns the id of the message. See [mq.IDOf].
func (l *lease) ID() string { return l.id }

// Stored returns when the message was stored, by the clock of the server that led the
// queue then. See [mq.StoredAt].
func (l *lease) Stored() time.Time { return l.stored }

// Sequence returns the number of the message in the stream. See [mq.Lease].
func (l *lease) Sequence() uint64 { return l.sequence }

// Attempt returns how many times the message was lent. See [mq.Lease].
func (l *lease) Attempt() int { return l.attempt }

// Deadline returns when the lease runs out; it may be sooner, by the time that the
// message took from the server. See [mq.Lease].
func (l *lease) Deadline() time.Time { return l.made.Add(time.Duration(l.deadline.Load())) }

// Ack removes the message and returns when the server has confirmed that. If all
// leases of the selector were forgotten, because nobody has received with it for
// [ConsumerLife] or somebody has removed its consumer, Ack fails at once with
// [mq.ErrLeaseOver]; if it was made again meanwhile, after 1 second, and with
// [mq.ErrInDoubt] too. A server that was killed may not know the lease any more, and
// never answers: Ack gives up when the lease has run out, but not within 1 second, with
// [mq.ErrInDoubt], or [mq.ErrUnavailable] if no server got it. See [mq.Lease].
func (l *lease) Ack(ctx context.Context) error {
	err := l.tell(ctx, "ack", ackBody, true)
	if err == nil {
		l.q.tellRoom()
	}
	return err
}

// Nak gives the message back. A lease that has run out is given back already, and
// Nak then does nothing. If the answer is lost, Nak returns [mq.ErrInDoubt] and does
// not repeat the request, which could take the message from its next holder; the
// message is lent again at the end of the lease at the latest. See [mq.Lease].
func (l *lease) Nak(ctx context.Context, delay time.Duration) error {
	body := nakBody
	switch {
	case delay < 0:
		return l.q.handle.Fail("nak", mq.ErrInvalidConfig, nil, fmt.Sprintf("delay %v is negative; 0 gives back at once", delay))
	case delay > 0:
		body = fmt.Appendf(nil, `-NAK {"delay": %d}`, delay.Nanoseconds())
	}
	return l.tell(ctx, "nak", body, false)
}

// Extend makes the lease last as long as a new one. It gives up like Ack. See
// [mq.Lease].
func (l *lease) Extend(ctx context.Context) error {
	start := time.Since(l.made)
	err := l.tell(ctx, "extend lease", extendBody, true)
	if err == nil {
		l.deadline.Store(int64(start + l.q.ackWait))
	}
	return err
}

// tell sends body to the server until it has answered. If late is set, body may
// arrive after the lease has run out, and more than once, with the same meaning.
// Otherwise nothing is sent that could apply to another holder.
func (l *lease) tell(ctx context.Context, op string, body []byte, late bool) error {
	c, err := l.q.begin(op, ctx, true, true)
	if err != nil {
		return err
	}
	defer c.end()
	last := l.Deadline() // of the last try
	if soon := time.Now().Add(answerWait); late && last.Before(soon) {
		last = soon
	}
	t := tries{moves: true, try: func() error {
		if !late && !time.Now().Before(last) {
			return nil
		}
		_, err := l.q.ask(c.ctx, graceWait, &nats.Msg{Subject: l.subject, Data: body})
		if !isUnanswered(err) {
			return err
		}
		if errors.Is(err, nats.ErrNoResponders) {
			if gone := l.q.verify(c.ctx, op); gone != nil {
				return gone
			}
		}
		if !l.q.isForgotten(c.ctx, l.consumer, l.created) {
			return err
		}
		if !late {
			return nil // it is given back already
		}
		// Without the error of the request, which would be tried again.
		return l.q.handle.Fail(op, mq.ErrLeaseOver, nil, "the server has forgotten the lease, and lends the message again")
	}}
	t.over = func(err error) error {
		switch passed := time.Now().After(last); {
		case !t.doubt.IsZero() && (passed || !late):
			return l.q.lost(op, err) // it is lent again, or soon will be
		case passed:
			return l.q.handle.Fail(op, mq.ErrUnavailable, err, "the lease has run out, and the server was not told: "+unavailable(err))
		}
		return nil
	}
	return c.retry(&t)
}
