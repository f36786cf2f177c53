package mux_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

// fromEnv returns the number in an environment variable, for long runs, or the
// one for every day.
func fromEnv(tb testing.TB, name string, everyDay int) int {
	tb.Helper()
	s := os.Getenv(name)
	if s == "" {
		return everyDay
	}
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		tb.Fatalf("%s=%q is no number above 0", name, s)
	}
	return n
}

// A numbered message is of one type and sender, and the n-th of those.
type numbered struct {
	typ       int64
	sender, n uint32
}

func (m numbered) message() mq.Message {
	b := binary.LittleEndian.AppendUint32(nil, m.sender)
	return mq.Message{Type: m.typ, Data: binary.LittleEndian.AppendUint32(b, m.n)}
}

func number(m mq.Message) numbered {
	return numbered{m.Type, binary.LittleEndian.Uint32(m.Data), binary.LittleEndian.Uint32(m.Data[4:])}
}

// An account says which messages came somewhere, and finds what came twice or
// out of order.
type account struct {
	name string
	mu   sync.Mutex
	seen map[numbered]bool
	last map[numbered]uint32 // of each type and sender; the key's n is 0
}

func newAccount(name string) *account {
	return &account{name: name, seen: make(map[numbered]bool), last: make(map[numbered]uint32)}
}

// add notes a message that came behind the ones before.
func (a *account) add(tb testing.TB, msg mq.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := number(msg)
	if a.seen[m] {
		tb.Errorf("%s: %+v came twice", a.name, m)
	}
	a.seen[m] = true
	of := numbered{typ: m.typ, sender: m.sender}
	if last, ok := a.last[of]; ok && last >= m.n {
		tb.Errorf("%s: %+v came after %d", a.name, m, last)
	}
	a.last[of] = m.n
}

// stress sends numbered messages while subscriptions with random selectors come
// and go in every way, and checks that nothing was lost or doubled: between
// what subscriptions got, what they left unread, and what is left in the queue.
// With an auditor, a subscription that gets everything, it checks that all of
// it came in order.
func stress(t *testing.T, q mq.Queue, audited bool) {
	const types, senders, churners = 6, 3, 4
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(fromEnv(t, "IPCMQ_STRESS", 1))*1200*time.Millisecond)
	defer cancel()
	m := newMux(t, q, nil)

	auditor := newAccount("auditor")
	var audits sync.WaitGroup
	if audited {
		sub := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 16})
		audits.Go(func() {
			for msg := range sub.Messages() {
				auditor.add(t, msg)
			}
		})
	}

	// found is what came to any subscription; overlapping ones may each get it.
	var mu sync.Mutex
	found := make(map[numbered]bool)
	find := func(msg mq.Message) {
		mu.Lock()
		defer mu.Unlock()
		found[number(msg)] = true
	}

	var sent [senders][types + 1]uint32
	var sending sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for {
				typ := rand.Int64N(types) + 1
				err := q.Send(ctx, numbered{typ, uint32(s), sent[s][typ]}.message())
				if errors.Is(err, context.DeadlineExceeded) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				sent[s][typ]++
			}
		})
	}

	var subscriptions atomic.Int64
	var churning sync.WaitGroup
	for c := range churners {
		churning.Go(func() {
			for ctx.Err() == nil {
				n := subscriptions.Add(1)
				churn(t, ctx, m, newAccount(fmt.Sprintf("subscription %d of %d", n, c)), types, find)
			}
		})
	}
	sending.Wait()
	churning.Wait()
	if audited {
		testutil.Await(t, func() error { // the auditor takes all of it
			auditor.mu.Lock()
			defer auditor.mu.Unlock()
			if got, want := len(auditor.seen), total(sent[:]); got != want {
				return fmt.Errorf("the auditor got %d of %d", got, want)
			}
			return nil
		})
	}
	if err := m.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	audits.Wait()
	for _, msg := range m.Unread() {
		find(msg)
	}
	if n := m.Orphans(); n != 0 {
		t.Errorf("%d messages were taken for nobody", n)
	}
	left := 0
	for {
		msg, err := q.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if found[number(msg)] {
			t.Errorf("%+v was taken, and is still in the queue", number(msg))
		}
		find(msg)
		left++
	}
	lost := 0
	for s, byType := range sent {
		for typ, n := range byType {
			for i := range n {
				key := numbered{int64(typ), uint32(s), i}
				if !found[key] && !auditor.seen[key] {
					if lost++; lost < 10 {
						t.Errorf("%+v was lost", key)
					}
				}
			}
		}
	}
	t.Logf("%d messages, %d subscriptions, %d messages left in the queue, %d lost",
		total(sent[:]), subscriptions.Load(), left, lost)
}

func total[Row ~[7]uint32](sent []Row) (n int) {
	for _, byType := range sent {
		for _, k := range byType {
			n += int(k)
		}
	}
	return n
}

// churn makes one subscription, uses it for a while, and ends it in one of many
// ways.
func churn(t *testing.T, ctx context.Context, m *mux.Mux, got *account, types int64, find func(mq.Message)) {
	typ := rand.Int64N(types) + 1
	selector := []mq.Selector{mq.Type(typ), mq.Type(typ), mq.UpTo(typ), mq.Except(typ), mq.Any()}[rand.IntN(5)]
	cfg := &mux.SubscribeConfig{Buffer: 1 + rand.IntN(4), Unclaimed: rand.IntN(8) == 0}
	took := func(msg mq.Message) {
		if !selector.Matches(msg.Type) {
			t.Errorf("%v got type %d", selector, msg.Type)
		}
		got.add(t, msg)
		find(msg)
	}
	check := func(err error) {
		if err != nil && !errors.Is(err, mux.ErrUnread) {
			t.Error(err)
		}
	}
	n := rand.IntN(30)
	way := rand.IntN(6)
	switch way {
	case 0: // Once, sometimes given up
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
		defer cancel()
		msg, err := m.Once(ctx, selector)
		switch {
		case err == nil:
			took(msg)
		case !errors.Is(err, context.DeadlineExceeded):
			t.Error(err)
		}
		return
	case 1: // On, ended from within
		over := make(chan struct{})
		ready := make(chan struct{})
		var off func()
		calls := 0
		var err error
		off, err = m.On(selector, func(msg mq.Message) {
			<-ready
			took(msg)
			if calls++; calls == n+1 {
				off()
				close(over)
			}
		}, cfg)
		if err != nil {
			t.Error(err)
			return
		}
		close(ready)
		select {
		case <-over:
		case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
			off()
		}
		return
	case 2:
		cfg.Limit = n + 1
	}
	sub, err := m.Subscribe(selector, cfg)
	if err != nil {
		t.Error(err)
		return
	}
	patience := time.After(time.Duration(rand.IntN(3000)) * time.Microsecond)
	count, open, idle := 0, true, false
	for open && !idle && count < n {
		select {
		case msg, ok := <-sub.Messages():
			if open = ok; ok {
				took(msg)
				count++
			}
		case <-patience:
			idle = true
		}
	}
	if way == 3 || way == 4 {
		sub.Drain()
		for msg := range sub.Messages() {
			took(msg)
			count++
		}
	}
	check(sub.Unsubscribe())
	for msg := range sub.Messages() {
		t.Errorf("%+v came after Unsubscribe", msg)
	}
	for _, msg := range sub.Unread() {
		took(msg)
		count++
	}
	if cfg.Limit > 0 && count > cfg.Limit {
		t.Errorf("%d messages, and the limit is %d", count, cfg.Limit)
	}
}

func TestNothingIsLostBesideSubscriptionsThatComeAndGo(t *testing.T) {
	for _, audited := range []bool{true, false} {
		t.Run(fmt.Sprintf("System V, audited %v", audited), func(t *testing.T) { stress(t, newQueue(t, nil), audited) })
		t.Run(fmt.Sprintf("memory, audited %v", audited), func(t *testing.T) {
			q := mqtest.New(nil)
			defer q.Close()
			stress(t, q, audited)
		})
	}
}
