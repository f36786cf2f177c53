package mux

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// Config configures a mux. The zero value, like a nil *Config, is recommended.
type Config struct {
	// Spin is how long each reader polls an empty queue before it sleeps; 0 means
	// 50 µs, and a negative Spin means not at all. A message that comes meanwhile
	// is taken without the 10 to 50 µs that waking a thread takes, at the cost of
	// a busy processor. While polling finds nothing, it is done less and less
	// often, down to once in 256 waits. A queue on another host is not polled.
	Spin time.Duration
}

// A Mux delivers the messages of one queue through many channels. Its methods
// may be called by several goroutines at once, and from within the functions
// that it calls.
type Mux struct {
	queue mq.Queue
	cfg   Config
	done  chan struct{} // closed when the last subscription and reader are gone

	callbacks sync.WaitGroup // goroutines that call functions of the user

	routes atomic.Pointer[routes] // replaced under mu

	mu            sync.RWMutex
	closing       bool // nothing new may begin
	err           error
	subscriptions map[*Subscription]bool // that have not ended
	left          []*Subscription        // that have ended with unread messages, and all when the mux ends
	orphans       []mq.Message
	wanted        map[mq.Selector]*demand // by subscriptions that have not left
	wideWanted    int                     // demands that select more than one type
	lanes         map[mq.Selector]*lane   // that run, also the stopping ones
	wideLanes     []*lane                 // of more than one type
	stopping      int                     // how many lanes are stopping
}

// New returns a mux of the messages of q. It takes nothing before there is a
// subscription. It does not close q. The error matches [mq.ErrInvalidConfig].
func New(q mq.Queue, cfg *Config) (*Mux, error) {
	m := &Mux{
		queue:         q,
		done:          make(chan struct{}),
		subscriptions: make(map[*Subscription]bool),
		wanted:        make(map[mq.Selector]*demand),
		lanes:         make(map[mq.Selector]*lane),
	}
	m.routes.Store(&routes{})
	if cfg != nil {
		m.cfg = *cfg
	}
	m.cfg.Spin = reader.Spin(q, m.cfg.Spin)
	return m, nil
}

// Subscribe begins a subscription to the messages that s selects. The error
// matches [mq.ErrInvalidConfig], [mq.ErrInvalidType], errors.ErrUnsupported if
// the queue cannot select that way, or [mq.ErrClosed].
func (m *Mux) Subscribe(s mq.Selector, cfg *SubscribeConfig) (*Subscription, error) {
	c, err := cfg.check("subscribe")
	if err != nil {
		return nil, err
	}
	return m.subscribe("subscribe", s, c, false)
}

// subscribe begins a subscription. For a callback the caller must start a
// goroutine that calls it and then decrements m.callbacks.
func (m *Mux) subscribe(op string, s mq.Selector, c SubscribeConfig, callback bool) (*Subscription, error) {
	receiver, err := m.queue.Select(s)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing {
		return nil, m.closed(op)
	}
	if callback {
		m.callbacks.Add(1) // under the lock: Shutdown waits for all that began before it
	}
	sub := newSubscription(m, s, c)
	m.add(sub, receiver)
	return sub, nil
}

// closed returns the error of calls after the end.
func (m *Mux) closed(op string) error {
	e := &mq.Error{Op: op, Kind: mq.ErrClosed, Detail: "the mux was closed"}
	if m.err != nil {
		e.Err, e.Detail = m.err, "the mux has ended: "+m.err.Error()
	}
	return e
}

// Publish sends msg, like [mq.Sender.Send] of the queue.
func (m *Mux) Publish(ctx context.Context, msg mq.Message) error {
	m.mu.RLock()
	closing := m.closing
	m.mu.RUnlock()
	if closing {
		return m.closed("publish")
	}
	return m.queue.Send(ctx, msg)
}

// Done returns a channel that is closed when the mux has ended.
func (m *Mux) Done() <-chan struct{} { return m.done }

// Err returns the error of the queue that ended the mux. It is nil while the mux
// runs, and after a Shutdown or Close that came first.
func (m *Mux) Err() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.err
}

// Shutdown ends the mux gracefully. It takes no more messages, and waits until
// what was taken has been read and the functions given to On have returned. It
// must not be called from within such a function.
//
// If ctx ends first, Shutdown closes the mux like [Mux.Close]; the error matches
// ctx.Err() and the cause of ctx, and [mq.ErrUnread] if messages were not read.
func (m *Mux) Shutdown(ctx context.Context) error {
	m.finish(false, nil)
	idle := make(chan struct{})
	go func() {
		<-m.done
		m.callbacks.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
		return errors.Join(handle.Ended("shut down mux", "", ctx), m.Close())
	}
	if !reader.AwaitRead(ctx, m.buffered) {
		return errors.Join(handle.Ended("shut down mux", "", ctx), m.Close())
	}
	return m.Close()
}

// buffered returns the number of messages in the channels of the subscriptions
// that have ended.
func (m *Mux) buffered() (n int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, s := range m.left {
		n += len(s.box.messages)
	}
	return n
}

// Close ends the mux immediately: it takes no more messages, and closes the
// channels of all subscriptions. It does not wait for functions given to On.
// Messages that were taken but not read are kept for [Mux.Unread]; if there are
// any, the error matches [mq.ErrUnread]. Close may be called more than once. The
// queue stays open.
func (m *Mux) Close() error {
	m.finish(true, nil)
	<-m.done
	m.mu.Lock()
	defer m.mu.Unlock()
	unread := len(m.orphans)
	for _, s := range m.left {
		unread += s.box.keepAll()
	}
	if unread == 0 {
		return nil
	}
	return &mq.Error{Op: "close mux", Kind: mq.ErrUnread,
		Detail: fmt.Sprintf("%d messages were taken from the queue but not read; Unread returns them", unread)}
}

// Unread returns the messages that were taken for subscriptions, also those of
// On, but not read when Close ended them, and forgets them. Within a
// subscription the oldest is first.
func (m *Mux) Unread() []mq.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	var unread []mq.Message
	for _, s := range m.left {
		unread = append(unread, s.Unread()...)
	}
	unread = append(unread, m.orphans...)
	m.orphans = nil
	return unread
}
