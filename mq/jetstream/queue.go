package jetstream

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// A Queue is a handle on a queue that NATS servers keep. Its methods may be
// called by several goroutines at once.
type Queue struct {
	receiver // of any type

	nc       *nats.Conn
	link     *link // nc, and what is known of it
	handle   handle.Handle
	id       string // distinguishes the queue from others of the same name
	subjects subjects
	created  bool

	mode       Mode
	storage    Storage
	ackWait    time.Duration
	limits     atomic.Pointer[limits]
	apiPrefix  string
	duplicates time.Duration // how long the servers know the ids of messages, at least
	oneDisk    bool          // the queue is on the disk of one server
	diskFails  atomic.Bool   // the server could not write to it
	together   bool          // several messages can be stored together or not at all

	leastTogether int // how many at least are worth it

	sender   string // begins the ids of the messages of this handle
	lastSent atomic.Uint64
	clock    clock // of the server

	room    bell  // a message may have left the queue
	wakes   bells // a message may be there
	restart bell  // requests that wait with a server may be lost
	heard   heard // inboxes of others
	mail    mail  // answers to many requests at once
	repeats budget

	mu         sync.Mutex
	closed     bool
	subs       map[string]*nats.Subscription // for room and wakes, by subject
	idle       []*intake                     // for requests for messages
	used       map[string]*consumer          // by name
	inboxes    map[*inbox]struct{}
	recognized time.Time // when the queue was last known to be this one, in claim mode
	roomTold   time.Time // when room was last signaled to senders
	roomLater  bool      // another signal will follow

	life       context.Context // ends with Close
	end        context.CancelFunc
	calls      sync.WaitGroup
	background sync.WaitGroup
}

var (
	_ mq.Exchange      = (*Queue)(nil)
	_ mq.BatchReceiver = (*Queue)(nil)
	_ mq.BatchSender   = (*Queue)(nil)
	_ mq.Checker       = (*Queue)(nil)
	_ mq.Leaser        = (*Queue)(nil)
)

// Open connects to a NATS server and opens the queue with the given name, or
// creates it if there is none; peers may start in any order. The servers are
// URLs separated by commas, such as "nats://a.example:4222,nats://b.example:4222".
// A nil cfg means the defaults; see [Config].
//
// A name is letters and digits of ASCII, - and _, at most 128 bytes.
//
// If the connection is lost later, it is restored. Meanwhile, calls that wait keep
// waiting, and others fail with [mq.ErrUnavailable], and with fs.ErrPermission too while a
// server refuses the user or the certificate, which may change.
//
// If another server is known, the connection moves to it when the current one announces
// that it will stop, or serves nothing for 3 seconds because it is cut off from the others.
// It stays there for at least 5 seconds, or up to a minute while no server serves. A
// nats.ReconnectHandler in Config.NATS is called.
//
// Open waits for an unavailable queue until ctx ends, or for 15 seconds if ctx has
// no deadline. If no server accepts a connection it fails at once. If Open fails, no
// queue was created, unless the error matches [mq.ErrInDoubt].
// The error matches [mq.ErrUnavailable] if no server answers, fs.ErrPermission if
// the server does not admit the user, fs.ErrExist, fs.ErrNotExist,
// [ErrLimit] if the servers or the account have no room for the queue,
// errors.ErrUnsupported if the server is older than 2.10, and [mq.ErrInvalidConfig] if
// servers or cfg are contradictory or out of range, or the queue exists with another
// Mode or Storage. Its text does not contain passwords and tokens from servers.
func Open(ctx context.Context, servers, name string, cfg *Config) (*Queue, error) {
	c, err := cfg.check(name)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, (&Queue{handle: handle.Handle{Name: name}}).ended("open", ctx, nil)
	}
	nc, err := dial(ctx, servers, name, c.NATS)
	if err != nil {
		return nil, err
	}
	err = checkConn(nc, name)
	if err == nil {
		var q *Queue
		if q, err = open(ctx, &link{nc: nc, own: true}, name, c); err == nil {
			return q, nil
		}
	}
	nc.Close()
	return nil, err
}

// OpenConn is [Open] over a connection that the caller has made, and must close
// after the queue. Several queues may share one.
//
// The connection must have been made with nats.ReconnectBufSize(-1) and without
// nats.NoEcho. nats.MaxReconnects(-1) makes it survive a long outage,
// nats.IgnoreAuthErrorAbort() a temporarily wrong password, and
// nats.PingInterval(time.Second) makes it notice a server that hangs. Unlike that of
// Open, it is not moved away from a server that serves nothing or will stop, since others
// may use it: the caller can do that with its ForceReconnect, for example when its
// nats.LameDuckModeHandler is called.
func OpenConn(ctx context.Context, nc *nats.Conn, name string, cfg *Config) (*Queue, error) {
	c, err := cfg.check(name)
	if err != nil {
		return nil, err
	}
	if len(c.NATS) > 0 {
		return nil, &mq.Error{Op: "open", Queue: name, Kind: mq.ErrInvalidConfig, Detail: "NATS is options for a connection, and this one is made already"}
	}
	if err := checkConn(nc, name); err != nil {
		return nil, err
	}
	return open(ctx, &link{nc: nc}, name, c)
}

// newQueue makes a handle on a queue that exists.
func newQueue(l *link, name string, info *js.StreamInfo, c Config) *Queue {
	q := &Queue{
		nc: l.nc, link: l, handle: handle.Handle{Name: name, Access: c.Access}, subjects: subjectsOf(name),
		id: info.Config.Metadata[metaID], mode: modeOf(&info.Config), storage: storageOf(&info.Config), ackWait: ackWaitOf(&info.Config),
		apiPrefix: c.api(), duplicates: min(info.Config.Duplicates, DefaultIDWindow), // which somebody may have lengthened, and not keep so
		oneDisk:  storageOf(&info.Config) == File && info.Config.Replicas <= 1,
		together: info.Config.AllowAtomicPublish, leastTogether: leastTogether(&info.Config),
		sender:     rand.Text()[:idRandom],
		subs:       make(map[string]*nats.Subscription),
		inboxes:    make(map[*inbox]struct{}),
		used:       make(map[string]*consumer),
		recognized: time.Now(),
	}
	q.limits.Store(limitsOf(&info.Config))
	q.life, q.end = context.WithCancel(context.Background())
	q.receiver = receiver{q: q, from: q.source(mq.Any())}
	changed := l.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED)
	q.background.Go(func() { l.watch(q.life, changed, q.reconnected) })
	return q
}

// Name returns the name that the queue was opened with.
func (q *Queue) Name() string { return q.handle.Name }

// String returns the name and the mode, such as "orders (lease mode)".
func (q *Queue) String() string { return fmt.Sprintf("%s (%v)", q.handle.Name, q.mode) }

// Mode returns LeaseMode or ClaimMode.
func (q *Queue) Mode() Mode { return q.mode }

// Created reports whether opening this handle created the queue.
func (q *Queue) Created() bool { return q.created }

// Close unblocks every call that is blocked on this handle, waits until it has
// returned, and makes it and all later ones fail with [mq.ErrClosed]. Leases
// stay with their holders until they run out, but cannot be acknowledged any
// more; in a cluster the same holds for a message on its way to a call that was
// canceled just before. The queue and its messages stay with the servers; see
// [Queue.Remove].
// Close closes the connection that Open made, always returns nil, and may be
// called more than once.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.end()
	q.calls.Wait() // calls start work in the background, and create inboxes
	q.background.Wait()
	q.mu.Lock()
	inboxes := slices.Collect(maps.Keys(q.inboxes))
	q.mu.Unlock()
	for _, in := range inboxes {
		in.Close()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.subs {
		s.Unsubscribe() // fails if the connection is closed, which ends it too
	}
	for _, in := range q.idle {
		in.end()
	}
	clear(q.subs)
	q.idle = nil
	q.mail.end()
	q.leave()
	clear(q.used)
	if q.link.own {
		q.nc.Close()
	}
	return nil
}

// Remove removes the queue with all its messages, for everybody: calls that are
// blocked on it, here and elsewhere, end with [mq.ErrRemoved]. The handle must
// still be closed.
//
// Remove waits for 15 seconds if the queue is unavailable. The error matches
// [mq.ErrInDoubt] if the queue may have been removed.
func (q *Queue) Remove() error {
	c, err := q.begin("remove", context.Background(), false, true)
	if err != nil {
		return err
	}
	defer c.end()
	ctx, cancel := context.WithTimeout(c.ctx, openWait)
	defer cancel()
	if err := q.verify(ctx, "remove"); err != nil {
		return err
	}
	doubt := false
	err = insist(ctx, func() error {
		if doubt { // an earlier try may have done it
			if _, err := q.stream(ctx, 0); code(err) == codeStreamNotFound {
				return nil
			} else if err != nil {
				return err
			}
		}
		err := q.api(ctx, graceWait, "STREAM.DELETE."+q.subjects.stream, nil, nil)
		doubt = doubt || isDoubtful(err)
		return err
	})
	switch {
	case err == nil:
		// Others need not wait until they look again.
		q.nc.Publish(q.subjects.wakeAll(), nil)
		q.nc.Publish(q.subjects.free(), nil)
		return nil
	case doubt:
		return q.lost("remove", err)
	}
	return q.failed("remove", err)
}

// Capabilities returns what the queue can do in its mode; MaxPayload is the same
// for all types.
func (q *Queue) Capabilities() mq.Capabilities {
	can := mq.Capabilities{
		MaxType:     math.MaxInt64,
		MaxPayload:  q.maxPayload(),
		Selectors:   []mq.SelectorKind{mq.SelectAny, mq.SelectType},
		SeesRemoval: true,
		Exclusive:   true,
		Remote:      true,
		Headers:     q.mode == LeaseMode,
	}
	if q.mode == ClaimMode {
		can.Selectors = append(can.Selectors, mq.SelectUpTo, mq.SelectExcept)
		can.Exclusive = false
	}
	return can
}

// Check returns nil if the queue exists, or if that cannot be found out now.
func (q *Queue) Check() error {
	c, err := q.begin("check", context.Background(), false, true)
	if err != nil {
		return err
	}
	defer c.end()
	return q.verify(c.ctx, "check")
}

// A call is a running call of a queue.
type call struct {
	q    *Queue
	op   string
	user context.Context // of a call that waits
	ctx  context.Context // ends with user, and when the queue is closed
	end  func()

	waits bool // for what it needs; if not, user never ends
}

// begin begins a call, or returns why it cannot be made.
func (q *Queue) begin(op string, user context.Context, waits, allowed bool) (*call, error) {
	if err := q.handle.Usable(op, allowed, false); err != nil {
		return nil, err
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil, q.handle.Fail(op, mq.ErrClosed, nil, "")
	}
	q.calls.Add(1)
	q.mu.Unlock()
	c := &call{q: q, op: op, user: user, ctx: q.life, end: q.calls.Done, waits: waits}
	if user.Err() != nil {
		q.calls.Done()
		return nil, q.ended(op, user, nil)
	}
	if user.Done() != nil {
		ctx, cancel := context.WithCancel(user)
		stop := context.AfterFunc(q.life, cancel)
		c.ctx = ctx
		c.end = func() {
			stop()
			cancel()
			q.calls.Done()
		}
	}
	return c, nil
}

// ended makes the error for a call whose context has ended. last is the last error
// of the server, or nil.
func (c *call) ended(last error) error {
	if c.q.life.Err() != nil {
		return c.q.handle.Fail(c.op, mq.ErrClosed, nil, "")
	}
	return c.q.ended(c.op, c.user, last)
}

// failed makes the error of the call from err.
func (c *call) failed(err error) error {
	if c.ctx.Err() != nil {
		return c.ended(err)
	}
	return c.q.failed(c.op, err)
}

// subscribe has ring called with the subjects of messages to subject; the handle
// subscribes only once. A server handles later requests after the subscription.
func (q *Queue) subscribe(subject string, ring func(subject string)) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.subs[subject] != nil || q.closed {
		return nil
	}
	s, err := q.nc.Subscribe(subject, func(m *nats.Msg) { ring(m.Subject) })
	if err != nil {
		return err
	}
	q.subs[subject] = s
	return nil
}
