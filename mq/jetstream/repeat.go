package jetstream

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// A kind is what a request is for.
type kind uint8

const (
	others  kind = iota // for programs, not for JetStream
	reading             // or anything else that needs no agreement of the servers
	storing             // done once a majority of the servers has it
)

// kindOf returns what a request is for.
func (q *Queue) kindOf(m *nats.Msg) kind {
	switch {
	case strings.HasPrefix(m.Subject, q.apiPrefix+"STREAM.MSG.DELETE."):
		return storing
	case strings.HasPrefix(m.Subject, q.apiPrefix), strings.HasPrefix(m.Subject, ackPrefix):
		return reading
	case strings.HasPrefix(m.Subject, q.subjects.types()[:len(q.subjects.types())-1]):
		return storing
	}
	return others
}

// ackPrefix begins the subjects that holders of leases answer to.
const ackPrefix = "$JS.ACK."

// repeatWait is how long a request that may be repeated waits for its answer before it
// is sent again; the wait doubles after that. Requests are lost with a server that stops,
// while another one would answer them at once.
const repeatWait = 100 * time.Millisecond

// repeatable reports whether it makes no difference if the servers get a request
// twice: it has an id, or only reads, or acknowledges or extends a lease.
func (q *Queue) repeatable(m *nats.Msg) bool {
	if name, ok := strings.CutPrefix(m.Subject, q.apiPrefix); ok {
		return strings.HasPrefix(name, "STREAM.INFO.") || strings.HasPrefix(name, "CONSUMER.INFO.") || strings.HasPrefix(name, "STREAM.MSG.GET.")
	}
	if strings.HasPrefix(m.Subject, ackPrefix) {
		return bytes.Equal(m.Data, ackBody) || bytes.Equal(m.Data, extendBody)
	}
	return m.Header[nats.MsgIdHdr] != nil && m.Header[headerBatch] == nil
}

// A budget keeps repeated requests a small part of all, so that slow servers do not get
// twice the work. The zero budget is full.
type budget struct{ spent atomic.Int64 }

const (
	repeatCost = 20 // answered requests that pay for a repeated one
	mostSpent  = 64 * repeatCost
)

// earn records an answered request.
func (b *budget) earn() {
	if n := b.spent.Load(); n > 0 {
		b.spent.CompareAndSwap(n, n-1) // or another one has earned
	}
}

// spend reports whether a request may be repeated.
func (b *budget) spend() bool {
	for {
		n := b.spent.Load()
		if n+repeatCost > mostSpent {
			return false
		}
		if b.spent.CompareAndSwap(n, n+repeatCost) {
			return true
		}
	}
}

// errServerGone: nobody is left who could answer.
var errServerGone = errors.New("the server that had the request is gone")

// request sends a request and waits for its answer until ctx ends. In a cluster it repeats
// a repeatable one while the answer takes long, and takes the first answer.
func (q *Queue) request(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	if q.isOneServer() || !q.repeatable(m) {
		return q.nc.RequestMsgWithContext(ctx, m)
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	var second *nats.Msg
	var failed error
	over := make(chan struct{})
	timer := time.AfterFunc(repeatWait, func() {
		defer close(over)
		if second, failed = q.repeat(both, m); second != nil || failed != nil {
			cancel()
		}
	})
	answer, err := q.nc.RequestMsgWithContext(both, m)
	if !timer.Stop() {
		cancel()
		<-over
	}
	switch {
	case err == nil:
		q.repeats.earn()
	case second != nil:
		return second, nil
	case failed != nil && isOfContext(err) && ctx.Err() == nil:
		return nil, failed
	}
	return answer, err
}

// repeat repeats a request, and returns an answer or why there will be none; neither if
// ctx has ended or the budget is spent.
func (q *Queue) repeat(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	for d := 2 * repeatWait; ctx.Err() == nil && q.repeats.spend(); d *= 2 {
		short, cancel := context.WithTimeout(ctx, d)
		answer, err := q.nc.RequestMsgWithContext(short, m)
		if err == nil && isDoubtful(refusalOf(answer)) {
			<-short.Done() // too soon
		}
		cancel()
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			return nil, errServerGone
		case err == nil && !isDoubtful(refusalOf(answer)):
			return answer, nil
		}
	}
	return nil, nil
}
