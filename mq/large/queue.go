package large

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"

	"ipcmq/internal/store"
	"ipcmq/mq"
)

// DefaultMaxPayload is the default of Config.MaxPayload, 64 MiB.
const DefaultMaxPayload = 64 << 20

// Config limits the size of payloads. The zero value, like a nil *Config, means the
// defaults.
type Config struct {
	// MaxPayload is the largest payload in bytes, to send and to receive; 0 means
	// [DefaultMaxPayload]. Both sides should use the same value.
	MaxPayload int

	// Memory is how many bytes of payloads sent by this handle may wait to be
	// received, not counting those that fit into the queue. Beyond that, Send waits.
	// 0 means twice MaxPayload. The shared memory is allocated when it is first used,
	// and freed when the handle is closed and everything was received.
	Memory int

	// Logger, if not nil, logs at level Warn why the payload of a received message is
	// missing. Payloads are not logged.
	Logger *slog.Logger
}

func (cfg *Config) check() (Config, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	c := *cfg
	c.MaxPayload = cmp.Or(c.MaxPayload, DefaultMaxPayload)
	switch {
	case c.MaxPayload < 0 || c.MaxPayload > most:
		return c, invalid("MaxPayload = %d is not in 0 to %d; 0 means the default of %d", c.MaxPayload, most, DefaultMaxPayload)
	case c.Memory < 0 || c.Memory > most:
		return c, invalid("Memory = %d is not in 0 to %d; 0 means twice MaxPayload", c.Memory, most)
	case c.Memory == 0:
		c.Memory = min(2*c.MaxPayload, most)
	case c.Memory < c.MaxPayload:
		return c, invalid("Memory = %d is less than MaxPayload = %d: the largest payload must fit", c.Memory, c.MaxPayload)
	}
	return c, nil
}

// most leaves room for more than one segment in the address space of a process.
const most = min(math.MaxInt/4, 1<<40)

func invalid(format string, args ...any) error {
	return &mq.Error{Op: "wrap", Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
}

// A keeper is a queue that can have a store of payloads.
type keeper interface {
	PayloadStore() (store.Queue, error)
}

// A Queue sends and receives payloads that are larger than its queue takes. Its
// methods may be called by several goroutines at once.
type Queue struct {
	receiver // of any type
	sender

	underlying mq.Queue
	close      func() error

	settling sync.RWMutex // held, for reading, while a message on lease is received
	closing  bool
}

var (
	_ mq.Queue    = (*Queue)(nil)
	_ mq.Leaser   = (*Queue)(nil)
	_ mq.Exchange = (*Queue)(nil)
	_ mq.Meter    = (*Queue)(nil)
)

// Wrap returns a queue that sends through q, and receives from it, payloads of up to
// cfg.MaxPayload bytes. A nil cfg means the defaults; see [Config]. Closing it closes
// q.
//
// The error matches [mq.ErrInvalidConfig] if cfg is contradictory or out of range,
// [errors.ErrUnsupported] if q is not a System V queue, and [mq.ErrTooLarge] if not
// even a ticket fits into q.
func Wrap(q mq.Queue, cfg *Config) (*Queue, error) {
	c, err := cfg.check()
	if err != nil {
		return nil, err
	}
	return wrap(q, c)
}

func wrap(q mq.Queue, c Config) (*Queue, error) {
	can := q.Capabilities()
	fail := func(kind error, detail string) (*Queue, error) {
		return nil, &mq.Error{Op: "wrap", Queue: nameOf(q), Kind: kind, Detail: detail}
	}
	k, ok := mq.As[keeper](q)
	switch {
	case can.Remote:
		return fail(errors.ErrUnsupported, "the queue is on another host, which shares no memory with this one")
	case !ok:
		return fail(errors.ErrUnsupported, fmt.Sprintf(
			"%T is not a System V queue: other queues cannot be searched for tickets, so the payloads of killed programs would stay forever", q))
	}
	home, err := k.PayloadStore()
	if err != nil {
		return nil, err
	}
	if can.MaxPayload > 0 && can.MaxPayload < store.TicketSize {
		return fail(mq.ErrTooLarge, fmt.Sprintf("the queue takes payloads of up to %d bytes, but a ticket has %d", can.MaxPayload, store.TicketSize))
	}
	reader := &store.Reader{}
	w := &Queue{underlying: q}
	w.receiver = receiver{&source{underlying: q, from: q, selector: mq.Any(), home: home.ID}, tickets{reader, c, nameOf(q)}, w}
	w.sender = sender{to: q, keeper: k, home: home.ID, inline: can.MaxPayload, cfg: c, name: nameOf(q), types: can.MaxType, stores: &stores{}}
	w.close = sync.OnceValue(func() error {
		w.stores.stop()
		w.settling.Lock()
		w.closing = true
		w.settling.Unlock()
		err := q.Close()
		w.stores.leave()
		reader.Close()
		return err
	})
	return w, nil
}

func nameOf(q any) string {
	if s, ok := q.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", q)
}

// String returns the name of the underlying queue.
func (q *Queue) String() string { return nameOf(q.underlying) }

// Unwrap returns the underlying queue, which has tickets in place of large payloads.
func (q *Queue) Unwrap() mq.Queue { return q.underlying }

// Capabilities returns those of the underlying queue, with MaxPayload of the
// Config.
func (q *Queue) Capabilities() mq.Capabilities {
	can := q.underlying.Capabilities()
	can.MaxPayload = q.cfg.MaxPayload
	return can
}

// Usage returns how many messages are in the queue, and the maximum. It does
// not count bytes, since payloads in shared memory are not in the queue.
func (q *Queue) Usage() (mq.Usage, error) {
	m, ok := mq.As[mq.Meter](q.underlying)
	if !ok {
		return mq.Usage{}, q.fail("stat", errors.ErrUnsupported, nil, "the underlying queue does not report its usage")
	}
	u, err := m.Usage()
	return mq.Usage{Messages: u.Messages, MaxMessages: u.MaxMessages}, err
}

// Close closes the underlying queue, and unblocks every call. Payloads that were
// sent stay until they are received. Close may be called more than once.
func (q *Queue) Close() error { return q.close() }

// Remove removes the underlying queue with all its messages. It frees the payloads
// of senders that are gone; other senders free theirs when they are closed or need
// the room. The handle must still be closed.
func (q *Queue) Remove() error {
	r, ok := mq.As[interface{ Remove() error }](q.underlying)
	if !ok {
		return q.fail("remove", errors.ErrUnsupported, nil, "the underlying queue has no method Remove")
	}
	if err := r.Remove(); err != nil {
		return err
	}
	q.stores.wake()
	store.Collect()
	return nil
}

// Select returns a receiver of the messages that s selects. See [mq.Queue].
func (q *Queue) Select(s mq.Selector) (mq.Receiver, error) {
	from, err := q.underlying.Select(s)
	if err != nil {
		return nil, err
	}
	return &receiver{&source{underlying: q.underlying, from: from, selector: s, home: q.sender.home}, q.tickets, q}, nil
}
