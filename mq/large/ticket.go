package large

import (
	"fmt"
	"sync"

	"ipcmq/internal/store"
	"ipcmq/mq"
)

// A source is where the messages of a receiver come from.
type source struct {
	underlying mq.Queue
	from       mq.Receiver
	selector   mq.Selector
	home       int // id of the queue

	once   sync.Once
	leases lender // nil if the queue does not lend
}

// A lender is a lease receiver that also has TryLease.
type lender interface {
	mq.LeaseReceiver
	TryLease() (mq.Lease, error)
}

// lends returns the lender of the messages, or nil if the queue does not lend: it
// has no key, or this user may not create its pool.
func (s *source) lends() lender {
	s.once.Do(func() {
		if q, ok := mq.As[mq.Leaser](s.underlying); ok {
			if r, err := q.SelectLeases(s.selector); err == nil {
				s.leases, _ = r.(lender)
			}
		}
	})
	return s.leases
}

// tickets turns received tickets into payloads.
type tickets struct {
	reader *store.Reader
	cfg    Config
	name   string
}

// redeem puts the payload into a message, in the given memory if that suffices.
// It returns the payload to free, or nil if there is none.
func (t *tickets) redeem(m *mq.Message, memory []byte, home int) *store.Payload {
	ticket, ok := store.ParseTicket(m.Data)
	if !ok || m.Truncated {
		return nil
	}
	store.Step("received")
	p, err := t.reader.Redeem(ticket, home)
	if err != nil {
		t.missing(m, err)
		return nil
	}
	if n := ticket.Length(); n > uint64(t.cfg.MaxPayload) {
		t.missing(m, fmt.Errorf("it has %d bytes, more than MaxPayload = %d", n, t.cfg.MaxPayload))
		return p
	}
	if uint64(cap(memory)) < ticket.Length() {
		memory = m.Data
	}
	data, err := p.Copy(memory)
	if err != nil {
		p.Done()
		m.Data = ticket.Bytes() // the original was overwritten
		t.missing(m, err)
		return nil
	}
	m.Data = data
	return p
}

// missing marks a message whose payload is missing.
func (t *tickets) missing(m *mq.Message, why error) {
	m.Truncated = true
	if t.cfg.Logger != nil {
		t.cfg.Logger.Warn("the payload of a message is missing", "queue", t.name, "type", m.Type, "reason", why)
	}
}
