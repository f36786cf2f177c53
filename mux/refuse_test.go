package mux

import (
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

// TestRefusedMessagesGoToNewSubscriptions has a lane that looked at the
// subscriptions before they changed.
func TestRefusedMessagesGoToNewSubscriptions(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	m, err := New(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	subscribe := func(cfg *SubscribeConfig) *Subscription {
		s, err := m.Subscribe(mq.Any(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	l := &lane{mux: m, selector: mq.Any()}
	buffered := func(s *Subscription, want int) {
		t.Helper()
		if n := s.Stats().Buffered; n != want {
			t.Errorf("%d messages, want %d", n, want)
		}
	}

	first := subscribe(nil)
	l.look()
	second := subscribe(nil)
	first.Drain()
	l.give(mq.Message{Type: 1})
	buffered(second, 1)

	rest := subscribe(&SubscribeConfig{Unclaimed: true})
	l.look()
	if !l.aim(1) {
		t.Error("the second claims nothing")
	}
	second.Drain()
	if l.offer(mq.Message{Type: 1}) {
		t.Error("a subscription that has left takes a message")
	}
	l.give(mq.Message{Type: 1}) // what it had claimed is for the rest
	buffered(second, 1)
	buffered(rest, 1)

	rest.Drain()
	l.give(mq.Message{Type: 1}) // cannot happen, but nothing is lost and nobody waits
	if n := len(m.orphans); n != 1 {
		t.Errorf("%d orphans", n)
	}
	if err := m.Close(); err == nil {
		t.Error("the orphan is lost")
	}
	if n := len(m.Unread()); n != 3 {
		t.Errorf("%d unread", n)
	}
}
