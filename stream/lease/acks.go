package lease

import (
	"sync"

	"ipcmq/mq"
)

// maxUnconfirmed is how many messages of a queue on another host may be handled
// before it is certain that the first of them was removed. Handlers wait then.
const maxUnconfirmed = 512

// Acks acknowledges messages of a queue on another host while the next ones are
// handled: all that wait for it together, since each call takes a round trip.
type acks struct {
	*loop
	together mq.BatchAcker
	room     chan struct{} // has one for each message that is not confirmed

	mu      sync.Mutex
	waiting []*held
	running bool
}

// newAcks returns the acks for messages that r has lent.
func newAcks(l *loop, r mq.BatchAcker) *acks {
	return &acks{loop: l, together: r, room: make(chan struct{}, maxUnconfirmed)}
}

// add has h acknowledged. It is called by a handler's goroutine, so that the loop
// waits for what it starts.
func (a *acks) add(h *held) {
	a.room <- struct{}{}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, h)
	if !a.running {
		a.running = true
		a.handlers.Go(a.run)
	}
}

// run acknowledges until nothing waits.
func (a *acks) run() {
	for {
		a.mu.Lock()
		batch := a.waiting
		a.waiting = nil
		a.running = len(batch) > 0
		a.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		leases := make([]mq.Lease, len(batch))
		for i, h := range batch {
			leases[i] = h.lease
		}
		for i, err := range a.together.AckBatch(a.beyond, leases) {
			if err != nil {
				a.alone(batch[i])
				continue
			}
			<-a.room
		}
	}
}

// alone acknowledges h by itself, which repeats what is in doubt, and reports what fails.
func (a *acks) alone(h *held) {
	a.handlers.Go(func() {
		defer func() { <-a.room }()
		a.ack(h.lease, h.Delivery)
	})
}
