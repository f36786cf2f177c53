package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// leaveAfter is how long a server may serve nothing before the connection is moved
	// to another one.
	leaveAfter = 3 * time.Second

	// leavePause is how long a connection stays with the next server at least; it
	// doubles up to mostLeavePause while no server serves.
	leavePause     = 5 * time.Second
	mostLeavePause = time.Minute
)

// A link is a connection to the servers, with what is known about the connected
// server. A server that is cut off from the others still answers pings, so nats.go
// stays with it.
type link struct {
	nc  *nats.Conn
	own bool // made by Open, so that it may be moved

	lost bell // rings when the connection is lost, or made again

	mu       sync.Mutex
	idle     time.Time // start of the first unserved request since one was served; zero if there is none
	stores   bool      // one of these requests had to store something
	probing  bool
	notUntil time.Time // the connection is not moved before
	pause    time.Duration
}

// watch rings lost, and calls reconnected when the connection is restored, until ctx
// ends.
func (l *link) watch(ctx context.Context, changed chan nats.Status, reconnected func()) {
	defer l.nc.RemoveStatusListener(changed)
	for {
		select {
		case s := <-changed:
			l.lost.ring()
			if s == nats.CONNECTED {
				reconnected()
			}
		case <-ctx.Done():
			return
		}
	}
}

// whenLost calls lose if the present connection is lost before ctx ends.
func (l *link) whenLost(ctx context.Context, lose func()) (stop func() bool) {
	made := l.nc.Stats().Reconnects
	var look func()
	look = func() {
		next := l.lost.await()
		switch {
		case ctx.Err() != nil:
		case l.nc.IsConnected() && l.nc.Stats().Reconnects == made: // it rang for an earlier loss
			context.AfterFunc(next, look)
		default:
			lose()
		}
	}
	return context.AfterFunc(l.lost.await(), look)
}

// note records how a request that began at start has ended: with an answer, or with an
// error.
func (l *link) note(q *Queue, kind kind, start time.Time, answer *nats.Msg, err error) {
	if kind == others {
		return
	}
	if err == nil {
		err = refusalOf(answer)
	}
	switch {
	case err == nats.ErrTimeout, code(err) != 0 && isDoubtful(err):
		l.unserved(q, kind, start)
	case err == nil, code(err) != 0:
		l.served(kind)
	}
}

// refusalOf returns the error that is in an answer, or nil.
func refusalOf(answer *nats.Msg) error {
	if len(answer.Data) == 0 || answer.Data[0] != '{' {
		return nil
	}
	return decode(answer.Data, nil)
}

// served records that a request was served. A server that was cut off still answers from
// its own copy for a while, but stores nothing.
func (l *link) served(kind kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stores && kind != storing {
		return
	}
	l.idle, l.stores, l.pause = time.Time{}, false, 0
}

// unserved records that a request which began at start was not served, and moves the
// connection if none was for leaveAfter.
func (l *link) unserved(q *Queue, kind kind, start time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.idle.IsZero() {
		l.idle = start
	}
	l.stores = l.stores || kind == storing
	now := time.Now()
	if !l.own || l.probing || now.Sub(l.idle) < leaveAfter || now.Before(l.notUntil) || len(l.nc.Servers()) < 2 {
		return
	}
	l.probing = true
	go l.probe(q.apiPrefix, l.stores)
}

// probe moves the connection if the server does not serve at all, rather than only this
// queue having no leader: it asks the server for something that belongs to no queue. If
// something had to be stored, it need not ask.
func (l *link) probe(apiPrefix string, stores bool) {
	serves := false
	if !stores {
		ctx, cancel := context.WithTimeout(context.Background(), answerWait)
		answer, err := l.nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: apiPrefix + "INFO"})
		cancel()
		serves = err == nil && !isDoubtful(refusalOf(answer))
	}
	if serves {
		l.served(reading)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.probing = false
	if l.idle.IsZero() {
		return
	}
	l.pause = min(max(2*l.pause, leavePause), mostLeavePause)
	l.notUntil = time.Now().Add(l.pause)
	l.idle, l.stores = time.Time{}, false
	_ = l.nc.ForceReconnect() // to the next server; fails if the connection is closed
}

// leave moves the connection away from a server that is about to stop, if there is
// another one.
func leave(nc *nats.Conn) {
	if len(nc.Servers()) > 1 {
		_ = nc.ForceReconnect() // fails if the connection is closed
	}
}
