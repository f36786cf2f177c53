package jetstream

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A mail is where answers to requests arrive that are sent many at once.
type mail struct {
	mu     sync.Mutex
	sub    *nats.Subscription
	inbox  string // the answers' subjects begin with it
	last   uint64
	rounds map[string]*round
}

// A round is requests that were sent together.
type round struct {
	errs []error       // errUnanswered until there is an answer
	left int           // unanswered
	done chan struct{} // closed when none is left
}

// errUnanswered is nats.ErrTimeout, as that of a single request.
var errUnanswered = nats.ErrTimeout

// askAll sends the same to several subjects and waits for the answers together, as ask
// does for one. It returns the error of each.
func (q *Queue) askAll(ctx context.Context, grace time.Duration, subjects []string, body []byte) []error {
	r := &round{errs: make([]error, len(subjects)), left: len(subjects), done: make(chan struct{})}
	for i := range r.errs {
		r.errs[i] = errUnanswered
	}
	prefix, err := q.mail.begin(q.nc, r)
	sent := 0
	for ; err == nil && sent < len(subjects); sent++ {
		if err = q.connected(); err == nil {
			err = q.nc.PublishRequest(subjects[sent], prefix+strconv.Itoa(sent), body)
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		q.mail.fail(r, sent, err)
	}
	wait, cancel := withGrace(ctx, answerWait, grace)
	defer cancel()
	select {
	case <-r.done:
	case <-wait.Done():
	}
	return q.mail.finish(r, prefix)
}

// begin makes a place for the answers to r, whose subjects are what it returns and the
// number of the request.
func (m *mail) begin(nc *nats.Conn, r *round) (prefix string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sub == nil {
		m.inbox, m.rounds = nc.NewInbox()+".", make(map[string]*round)
		if m.sub, err = nc.Subscribe(m.inbox+"*.*", m.deliver); err != nil {
			return "", err
		}
	}
	m.last++
	prefix = m.inbox + strconv.FormatUint(m.last, 36) + "."
	m.rounds[prefix] = r
	return prefix, nil
}

// deliver notes an answer.
func (m *mail) deliver(answer *nats.Msg) {
	dot := strings.LastIndexByte(answer.Subject, '.') + 1
	i, err := strconv.Atoi(answer.Subject[dot:])
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rounds[answer.Subject[:dot]]
	if r == nil || err != nil || i < 0 || i >= len(r.errs) || r.errs[i] != errUnanswered {
		return
	}
	r.errs[i] = nil
	if len(answer.Data) == 0 && answer.Header.Get("Status") == "503" {
		r.errs[i] = nats.ErrNoResponders
	}
	r.answered(1)
}

// answered notes that n requests less are unanswered. The lock is held.
func (r *round) answered(n int) {
	if r.left -= n; r.left == 0 {
		close(r.done)
	}
}

// fail notes that the requests of r from the first one on were not sent.
func (m *mail) fail(r *round, first int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := first; i < len(r.errs); i++ {
		r.errs[i] = err
	}
	r.answered(len(r.errs) - first)
}

// finish ends r, and returns the errors.
func (m *mail) finish(r *round, prefix string) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rounds, prefix)
	return r.errs
}

// end ends the subscription.
func (m *mail) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sub != nil {
		m.sub.Unsubscribe() // fails if the connection is closed, and then it is over as well
	}
}
