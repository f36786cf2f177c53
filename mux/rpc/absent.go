package rpc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

const (
	// roomShare is the part of a queue's room, a quarter, that unanswered requests
	// of a client may take.
	roomShare = 4

	// firstProbe is after how long one of the held-back requests of a type is
	// sent anyway; the next one waits twice as long.
	firstProbe = time.Second

	// firstLook is the first interval at which a client looks for room.
	firstLook = 10 * time.Millisecond
	lastLook  = 200 * time.Millisecond

	// maxServices is how many types without unanswered requests a client
	// remembers.
	maxServices = 1024
)

// services limits the requests of each type that stay in the queue because
// nobody takes them.
type services struct {
	queue mq.Queue
	meter mq.Meter // the same; nil if it is not one
	limit int      // 0 for none

	mu     sync.Mutex
	byType map[int64]*service
}

func newServices(q mq.Queue, limit int) *services {
	s := &services{queue: q, limit: limit, byType: make(map[int64]*service)}
	if !q.Capabilities().Remote {
		s.meter, _ = mq.As[mq.Meter](q)
	}
	return s
}

// A service is what a client knows about the servers of one type of request.
type service struct {
	all  *services
	typ  int64
	look chan struct{} // holds a value while no call looks for room

	// Guarded by all.mu.
	answered bool          // at least once
	sending  counted       // not in the queue yet, or only just
	sent     counted       // whose replies are awaited
	givenUp  counted       // since the last answer
	heard    chan struct{} // closed by the next answer
	awaited  bool          // whether a call waits for heard
	since    time.Time     // of the first request since the last answer
	probe    time.Time     // when one is sent anyway; zero while all are sent
	wait     time.Duration
}

// counted are requests and their bytes.
type counted struct{ n, bytes int64 }

func (c *counted) add(n, size int64) {
	c.n += n
	c.bytes += n * size
}

// of returns the service for requests of type t.
func (s *services) of(t int64) *service {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.byType[t]
	if v == nil {
		if len(s.byType) >= maxServices {
			for other, v := range s.byType {
				if v.sending.n+v.sent.n+v.givenUp.n == 0 {
					delete(s.byType, other)
				}
			}
		}
		v = &service{all: s, typ: t, look: make(chan struct{}, 1), heard: make(chan struct{}), wait: firstProbe}
		v.look <- struct{}{}
		s.byType[t] = v
	}
	return v
}

// enter reports whether a request of the given size may be sent now, and if so
// counts it as being sent.
func (v *service) enter(size int64) bool {
	s := v.all
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.limit == 0 || v.room(size):
		v.probe = time.Time{}
	case v.probe.IsZero():
		v.probe = time.Now().Add(v.wait)
		return false
	case time.Now().Before(v.probe):
		return false
	default:
		v.wait *= 2
		v.probe = time.Now().Add(v.wait)
	}
	if v.since.IsZero() {
		v.since = time.Now()
	}
	v.sending.add(1, size)
	return true
}

// room reports whether another request may be put into the queue. It may if the
// service answers and no request was given up since its last answer.
func (v *service) room(size int64) bool {
	there, coming := v.givenUp, counted{}
	if !v.answered {
		there.n += v.sent.n
		there.bytes += v.sent.bytes
		coming = v.sending
	}
	if there.n+coming.n == 0 {
		return true
	}
	most := counted{n: int64(v.all.limit)}
	if v.all.meter != nil {
		if u, err := v.all.meter.Usage(); err == nil && u.MaxMessages > 0 {
			// Requests that are no longer in the queue were taken by a
			// server.
			there.n = min(there.n, u.Messages)
			most.n = min(most.n, max(u.MaxMessages/roomShare, 1))
			if u.MaxBytes > 0 {
				there.bytes = min(there.bytes, u.Bytes)
				most.bytes = u.MaxBytes / roomShare
			}
		}
	}
	if largest := v.all.queue.Capabilities().MaxPayload; largest > 0 && size > int64(largest) {
		return true // sending it fails immediately
	}
	n, bytes := there.n+coming.n, there.bytes+coming.bytes
	return n == 0 || n < most.n && (most.bytes == 0 || bytes+size <= most.bytes)
}

// left counts a request that entered as sent, or as one that could not be sent.
func (v *service) left(size int64, sent bool) {
	v.all.mu.Lock()
	defer v.all.mu.Unlock()
	v.sending.add(-1, size)
	if sent {
		v.sent.add(1, size)
	}
}

// ended counts a request that was sent as answered or given up.
func (v *service) ended(size int64, answered bool) {
	v.all.mu.Lock()
	v.sent.add(-1, size)
	if !answered {
		v.givenUp.add(1, size)
	}
	v.all.mu.Unlock()
	if answered {
		v.answer()
	}
}

// answer notes that a server answers, even if too late.
func (v *service) answer() {
	v.all.mu.Lock()
	defer v.all.mu.Unlock()
	v.answered, v.since, v.givenUp = true, time.Time{}, counted{}
	v.probe, v.wait = time.Time{}, firstProbe
	if v.awaited {
		close(v.heard)
		v.heard, v.awaited = make(chan struct{}), false
	}
}

// admit waits until a request of the given size may be sent, and counts it as
// being sent. One of the waiting calls looks for room, and for answers in the
// inbox, where no other call may be receiving.
func (v *service) admit(ctx context.Context, size int64, in *inbox) error {
	if v.enter(size) {
		return nil
	}
	looking := false
	defer func() {
		if looking {
			v.look <- struct{}{}
		}
	}()
	timer := time.NewTimer(firstLook)
	defer timer.Stop()
	for pause := firstLook; ; {
		heard, look := v.next(), v.look
		if looking {
			in.sweep()
			pause = min(2*pause, lastLook)
			timer.Reset(pause)
			look = nil
		}
		if v.enter(size) {
			return nil
		}
		select {
		case <-look:
			looking = true
		case <-heard:
		case <-timer.C:
		case <-in.closed:
			return in.reason()
		case <-ctx.Done():
			return v.absent(ctx)
		}
	}
}

// next returns a channel that is closed by the next answer.
func (v *service) next() <-chan struct{} {
	v.all.mu.Lock()
	defer v.all.mu.Unlock()
	v.awaited = true
	return v.heard
}

// absent returns the error of a request that could not be sent before ctx
// ended.
func (v *service) absent(ctx context.Context) error {
	v.all.mu.Lock()
	defer v.all.mu.Unlock()
	n := v.givenUp.n
	if !v.answered {
		n += v.sent.n + v.sending.n
	}
	ended := handle.Ended("request", nameOf(v.all.queue, v.typ), ctx)
	return &mq.Error{Op: "request", Queue: ended.Queue, Kind: ErrNoServer, Err: ended,
		Detail: fmt.Sprintf("%v, and it was not sent: %d earlier requests had no answer for %v and may still fill their part of the queue; start a server that takes them",
			ctx.Err(), n, time.Since(v.since).Round(time.Millisecond))}
}
