package jetstream

import (
	"context"
	"sync"

	"ipcmq/mq"
)

// A bell wakes everybody who waits for it.
type bell struct {
	mu   sync.Mutex
	next context.Context // ends when the bell rings
	end  context.CancelFunc
}

// await returns a context that ends when the bell rings next.
func (b *bell) await() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next, b.end = context.WithCancel(context.Background())
	}
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		b.end()
		b.next = nil
	}
}

// bells are the bells of waiting receivers, by selector.
type bells struct {
	mu  sync.Mutex
	all map[mq.Selector]*sharedBell
}

type sharedBell struct {
	bell
	users int
}

// enter returns the bell for s, which exists until leave is called.
func (b *bells) enter(s mq.Selector) (shared *bell, leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = make(map[mq.Selector]*sharedBell)
	}
	user := b.all[s]
	if user == nil {
		user = &sharedBell{}
		b.all[s] = user
	}
	user.users++
	return &user.bell, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if user.users--; user.users == 0 {
			delete(b.all, s)
		}
	}
}

// ring wakes the receivers that wait for messages of type t.
func (b *bells) ring(t int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s, bell := range b.all {
		if s.Matches(t) {
			bell.ring()
		}
	}
}

// ringSubject wakes the receivers that a message to subject concerns.
func (b *bells) ringSubject(subject string) {
	if t := typeOf(subject); t > 0 {
		b.ring(t)
	} else {
		b.ringAll()
	}
}

func (b *bells) ringAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bell := range b.all {
		bell.ring()
	}
}
