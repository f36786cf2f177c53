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

// DefaultMaxPayload is the largest payload unless Config says otherwise, 64 MiB.
const DefaultMaxPayload = 64 << 20

// Config says how large payloads may be. The zero value, like a nil *Config, has the
// defaults.
type Config struct {
	// MaxPayload is the largest payload in bytes, to send and to receive; 0 means
	// [DefaultMaxPayload]. Both sides should have the same.
	MaxPayload int

	// Memory is how many bytes of payloads that were sent by this handle may wait at
	// once, not counting those that fit into the queue. When they are as many, Send
	// waits. 0 means twice MaxPayload. It is shared memory, which is taken when it is
	// first used, and given back when the handle is closed and all was received.
	Memory int

	// Logger, if not nil, is told at the level Warn why the payload of a message that
	// was received is missing. Payloads are not logged.
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
		return c, invalid("MaxPayload = %d is not in 0 to %d; 0 is the default of %d", c.MaxPayload, most, DefaultMaxPayload)
	case c.Memory < 0 || c.Memory > most:
		return c, invalid("Memory = %d is not in 0 to %d; 0 is twice MaxPayload", c.Memory, most)
	case c.Memory == 0:
		c.Memory = min(2*c.MaxPayload, most)
	case c.Memory < c.MaxPayload:
		return c, invalid("Memory = %d is less than MaxPayload = %d: the largest payload has to fit", c.Memory, c.MaxPayload)
	}
	return c, nil
}

// most leaves room for more than one segment among the addresses of a process.
const most = min(math.MaxInt/4, 1<<40)

func invalid(format string, args ...any) error {
	return &mq.Error{Op: "wrap", Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
}

// A keeper is a queue that payloads can be kept beside.
type keeper interface {
	PayloadStore() (store.Queue, error)
}

// A Queue sends and receives payloads that are larger than its queue takes. Its
// methods may be called by several goroutines at once.
type Queue struct {
	receiver // of any type
	sender

	beneath mq.Queue
	close   func() error

	settling sync.RWMutex // held, for reading, by who receives what is on lease
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
// The error matches [mq.ErrInvalidConfig], [errors.ErrUnsupported] if q is no System
// V queue, and [mq.ErrTooLarge] if not even a ticket fits into q.
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
			"%T is no System V queue: nobody can look into others for the payloads that are still in them, so that those of killed programs would stay for ever", q))
	}
	home, err := k.PayloadStore()
	if err != nil {
		return nil, err
	}
	if can.MaxPayload > 0 && can.MaxPayload < store.TicketSize {
		return fail(mq.ErrTooLarge, fmt.Sprintf("the queue takes payloads of up to %d bytes, and a ticket has %d", can.MaxPayload, store.TicketSize))
	}
	reader := &store.Reader{}
	w := &Queue{beneath: q}
	w.receiver = receiver{&source{beneath: q, from: q, selector: mq.Any(), home: home.ID}, tickets{reader, c, nameOf(q)}, w}
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

// String returns the name of the queue beneath.
func (q *Queue) String() string { return nameOf(q.beneath) }

// Unwrap returns the queue beneath, which has tickets in the place of large payloads.
func (q *Queue) Unwrap() mq.Queue { return q.beneath }

// Capabilities returns those of the queue beneath, with MaxPayload of the Config.
func (q *Queue) Capabilities() mq.Capabilities {
	can := q.beneath.Capabilities()
	can.MaxPayload = q.cfg.MaxPayload
	return can
}

// Usage returns how many messages are in the queue, and how many may be. What
// their payloads take is not told: those in shared memory are not in the queue.
func (q *Queue) Usage() (mq.Usage, error) {
	m, ok := mq.As[mq.Meter](q.beneath)
	if !ok {
		return mq.Usage{}, q.fail("stat", errors.ErrUnsupported, nil, "the queue beneath does not tell")
	}
	u, err := m.Usage()
	return mq.Usage{Messages: u.Messages, MaxMessages: u.MaxMessages}, err
}

// Close closes the queue beneath, and unblocks every call. Payloads that were sent
// stay for those who receive them. Close may be called more than once.
func (q *Queue) Close() error { return q.close() }

// Remove removes the queue beneath with all its messages; payloads of senders that
// are gone go with it, and those of living ones when these are closed or need the
// room. The handle must still be closed.
func (q *Queue) Remove() error {
	r, ok := mq.As[interface{ Remove() error }](q.beneath)
	if !ok {
		return q.fail("remove", errors.ErrUnsupported, nil, "the queue beneath has no such method")
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
	from, err := q.beneath.Select(s)
	if err != nil {
		return nil, err
	}
	return &receiver{&source{beneath: q.beneath, from: from, selector: s, home: q.sender.home}, q.tickets, q}, nil
}
