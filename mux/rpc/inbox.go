package rpc

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// errInboxGone: the inbox was removed, or permanently filled.
var errInboxGone = errors.New("the inbox of this client was removed or filled")

// maxAbandoned is how many requests that were given up are remembered, to
// distinguish late replies from duplicate ones.
const maxAbandoned = 1024

// An inbox is where a client receives the replies to its requests.
//
// There is no goroutine for that: one of the waiting callers, the leader,
// receives, and passes the others their replies. So a single caller is woken by
// the kernel itself. A leader that has its own reply passes the lead on.
type inbox struct {
	exchange mq.Exchange
	queue    mq.Inbox
	replies  mq.Receiver // from queue, polling
	token    uint64      // of this inbox, in each request and its reply
	checker  mq.Checker  // of queue; nil if it need not be checked for removal
	stats    *clientCounters

	lead   chan struct{} // holds a value while no caller leads
	closed chan struct{}

	mu        sync.Mutex
	err       error // why it was closed
	lastID    uint64
	pending   map[uint64]*call
	servers   map[uint64]followed  // of calls that get many replies, by id
	unheard   map[uint64]time.Time // until when a first reply may come to iterations that were given up before it
	abandoned map[uint64]*service  // of requests that were given up without a reply, by id

	every   time.Duration // the interval of watcher
	watcher *time.Timer   // runs while something is pending
}

type call struct {
	id    uint64
	reply chan reply // has room for one, or for the window and the end
	many  bool
}

type reply struct {
	header
	data []byte
}

// payload returns the server's answer.
func (r reply) payload() ([]byte, error) {
	if r.kind == kindError {
		return nil, &RemoteError{Code: r.code, Text: string(r.data)}
	}
	return r.data, nil
}

func newInbox(exchange mq.Exchange, queue mq.Inbox, spin time.Duration, stats *clientCounters) *inbox {
	var token [8]byte
	rand.Read(token[:])
	in := &inbox{
		exchange:  exchange,
		queue:     queue,
		replies:   reader.Polling(queue, spin),
		token:     binary.LittleEndian.Uint64(token[:]),
		stats:     stats,
		lead:      make(chan struct{}, 1),
		closed:    make(chan struct{}),
		pending:   make(map[uint64]*call),
		servers:   make(map[uint64]followed),
		unheard:   make(map[uint64]time.Time),
		abandoned: make(map[uint64]*service),
	}
	if !queue.Capabilities().Remote { // a remote one is in the memory of this process
		in.checker, _ = mq.As[mq.Checker](queue)
	}
	in.lead <- struct{}{}
	return in
}

// watch checks from time to time, while something is pending, whether the queue
// of the requests still exists, if it can be asked, and calls gone if not;
// whether the inbox still exists; and whether the servers that send many replies
// do.
func (in *inbox) watch(requests mq.Queue, every time.Duration, gone func(error)) {
	checker, ok := mq.As[mq.Checker](requests)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.every = every
	in.watcher = time.AfterFunc(every, func() {
		if ok {
			if err := checker.Check(); err != nil {
				gone(err)
				return
			}
		}
		in.check()
		if !tidy(in.queue) {
			in.close(errInboxGone)
		}
		in.checkServers()
		in.tellUnheard()
		in.mu.Lock()
		defer in.mu.Unlock()
		if len(in.pending)+len(in.unheard) > 0 && in.err == nil {
			in.watcher.Reset(every)
		}
	})
}

// tidy removes messages that are not replies from an inbox that is rather full,
// since whoever may reply can send such messages. It reports whether the inbox can
// still be used.
func tidy(queue mq.Inbox) bool {
	t, ok := queue.(interface{ Tidy() error })
	meter, measured := queue.(mq.Meter)
	if !ok || !measured {
		return true
	}
	u, err := meter.Usage()
	if err != nil || u.Bytes <= u.MaxBytes/2 && u.Messages <= u.MaxMessages/2 {
		return true
	}
	return !errors.Is(t.Tidy(), mq.ErrFull)
}

// check closes the inbox if it no longer exists.
func (in *inbox) check() {
	if in.checker != nil && errors.Is(in.checker.Check(), mq.ErrRemoved) {
		in.close(errInboxGone)
	}
}

// idle reports whether no call waits for replies, which would notice if the inbox
// was removed.
func (in *inbox) idle() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.pending) == 0
}

// register returns a call that expects one reply, or up to many at once; nil if
// the inbox is closed.
func (in *inbox) register(many int) *call {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err != nil {
		return nil
	}
	in.lastID++
	call := &call{id: in.lastID, reply: make(chan reply, many+1), many: many > 0}
	if len(in.pending) == 0 {
		in.watcher.Reset(in.every)
	}
	in.pending[call.id] = call
	in.stats.sent.Add(1)
	return call
}

// forget drops a call that no server can know of.
func (in *inbox) forget(call *call) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.pending, call.id)
	in.stats.sent.Add(^uint64(0))
}

// abandon drops a call whose reply may still come, from the given service.
func (in *inbox) abandon(call *call, from *service) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.pending[call.id] == nil {
		return
	}
	delete(in.pending, call.id)
	if len(in.abandoned) >= maxAbandoned {
		for id := range in.abandoned { // any of them: it only affects a counter
			delete(in.abandoned, id)
			break
		}
	}
	in.abandoned[call.id] = from
}

// await waits for the reply to a call.
func (in *inbox) await(ctx context.Context, call *call) (reply, error) {
	select { // a leader does not need ctx.Done, which takes a timer
	case <-in.lead:
		r, err := in.receive(ctx, call)
		in.lead <- struct{}{}
		return r, err
	default:
	}
	select {
	case r := <-call.reply:
		return r, nil
	case <-in.lead:
		r, err := in.receive(ctx, call)
		in.lead <- struct{}{}
		return r, err
	case <-in.closed:
		return reply{}, in.reason()
	case <-ctx.Done():
		select {
		case r := <-call.reply: // the reply came first
			return r, nil
		default:
			return reply{}, ctx.Err()
		}
	}
}

// sweep takes the replies that are there, unless a leader does.
func (in *inbox) sweep() {
	select {
	case <-in.lead:
	default:
		return
	}
	defer func() { in.lead <- struct{}{} }()
	for {
		m, err := in.queue.TryReceive()
		if errors.Is(err, mq.ErrRemoved) {
			in.close(errInboxGone)
		}
		if err != nil {
			return
		}
		in.dispatch(m)
	}
}

// receive, called by the leader, receives until the reply to its own call came.
func (in *inbox) receive(ctx context.Context, call *call) (reply, error) {
	for {
		select {
		case r := <-call.reply:
			return r, nil
		default:
		}
		m, err := in.replies.Receive(ctx)
		if err != nil {
			if errors.Is(err, mq.ErrRemoved) {
				in.close(errInboxGone)
			}
			if reason := in.reason(); reason != nil {
				err = reason
			}
			return reply{}, err
		}
		in.dispatch(m)
	}
}

// dispatch gives a reply to its call, and counts one that has none.
func (in *inbox) dispatch(m mq.Message) {
	h, data, err := parseHeader(m.Data)
	if in.deliver(h, data, err) {
		in.leaveAt(h.address, h.id)
	}
}

// deliver is dispatch, and reports whether to tell the server that nobody takes
// its replies.
func (in *inbox) deliver(h header, data []byte, err error) (unwanted bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil || h.kind == kindRequest || h.kind >= kindMore || h.token != in.token || h.id == 0 || h.id > in.lastID {
		in.stats.foreign.Add(1)
		return false
	}
	if _, unwanted = in.unheard[h.id]; unwanted {
		delete(in.unheard, h.id)
		unwanted = h.kind == kindPart
	}
	call := in.pending[h.id]
	last := h.kind != kindPart
	if call == nil {
		if from, ok := in.abandoned[h.id]; ok {
			from.answer()
			in.stats.late.Add(1)
			if last {
				delete(in.abandoned, h.id)
			}
		} else {
			in.stats.duplicate.Add(1)
		}
		return unwanted
	}
	if !call.many && (h.kind == kindPart || h.kind == kindEnd) || len(call.reply) == cap(call.reply) {
		in.stats.foreign.Add(1) // the server sent what it was not asked for
		return false
	}
	if last {
		delete(in.pending, h.id)
		in.stats.answered.Add(1)
	}
	call.reply <- reply{h, data}
	return false
}

func (in *inbox) reason() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}

// close ends the waiting calls with err, and removes the inbox.
func (in *inbox) close(err error) {
	in.mu.Lock()
	if in.err != nil {
		in.mu.Unlock()
		return
	}
	in.err = err
	in.mu.Unlock()
	in.watcher.Stop()
	close(in.closed)
	in.queue.Remove()
	in.queue.Close()
}
