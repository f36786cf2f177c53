package jetstream

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A mail receives the answers to requests that are sent many at once.
type mail struct {
	mu     sync.Mutex
	sub    *nats.Subscription
	inbox  string // the answers' subjects begin with it
	last   uint64
	rounds map[string]*round
}

// A round is a group of requests whose answers are awaited together.
type round struct {
	q      *Queue
	prefix string        // of the answers' subjects, before the number of the request
	errs   []error       // errUnanswered until there is an answer
	left   int           // unanswered
	done   chan struct{} // has a value when none may be left
}

// errUnanswered is nats.ErrTimeout, as for a single request.
var errUnanswered = nats.ErrTimeout

// newRound begins a round, which await ends.
func (q *Queue) newRound() *round { return &round{q: q, done: make(chan struct{}, 1)} }

// ask sends a request.
func (r *round) ask(subject string, body []byte) {
	m := &r.q.mail
	m.mu.Lock()
	i, err := len(r.errs), r.q.connected()
	if r.prefix == "" && err == nil {
		err = m.begin(r)
	}
	r.left++
	r.errs = append(r.errs, errUnanswered)
	m.mu.Unlock()
	if err == nil {
		err = r.q.nc.PublishRequest(subject, r.prefix+strconv.Itoa(i), body)
	}
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		r.answered(i, err)
	}
}

// begin prepares for the answers to r, whose subjects begin with its prefix. The lock is
// held.
func (m *mail) begin(r *round) (err error) {
	if m.sub == nil {
		m.inbox, m.rounds = r.q.nc.NewInbox()+".", make(map[string]*round)
		if m.sub, err = r.q.nc.Subscribe(m.inbox+"*.*", m.deliver); err != nil {
			return err
		}
	}
	m.last++
	r.prefix = m.inbox + strconv.FormatUint(m.last, 36) + "."
	m.rounds[r.prefix] = r
	return nil
}

// await waits for the answers as ask does for one, and returns the error of each request.
func (r *round) await(ctx context.Context, grace time.Duration) []error {
	wait, cancel := withGrace(ctx, answerWait, grace)
	defer cancel()
	defer r.q.link.whenLost(wait, cancel)()
	m := &r.q.mail
	for {
		m.mu.Lock()
		if r.left == 0 || wait.Err() != nil {
			delete(m.rounds, r.prefix)
			m.mu.Unlock()
			return r.errs
		}
		m.mu.Unlock()
		select {
		case <-r.done:
		case <-wait.Done():
		}
	}
}

// deliver records an answer.
func (m *mail) deliver(answer *nats.Msg) {
	dot := strings.LastIndexByte(answer.Subject, '.') + 1
	i, err := strconv.Atoi(answer.Subject[dot:])
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rounds[answer.Subject[:dot]]
	if r == nil || err != nil || i < 0 || i >= len(r.errs) || r.errs[i] != errUnanswered {
		return
	}
	if len(answer.Data) == 0 && answer.Header.Get("Status") == "503" {
		err = nats.ErrNoResponders
	}
	r.answered(i, err)
}

// answered records the result of a request. The lock is held.
func (r *round) answered(i int, err error) {
	r.errs[i] = err
	if r.left--; r.left == 0 {
		select {
		case r.done <- struct{}{}:
		default:
		}
	}
}

// end ends the subscription.
func (m *mail) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sub != nil {
		m.sub.Unsubscribe() // fails if the connection is closed, which ends it too
	}
}
