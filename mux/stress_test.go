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
// usual one.
func fromEnv(tb testing.TB, name string, everyDay int) int {
	tb.Helper()
	s := os.Getenv(name)
	if s == "" {
		return everyDay
	}
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		tb.Fatalf("%s=%q is not a number above 0", name, s)
	}
	return n
}

// A numbered message is the n-th of its type and sender.
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

// An account records which messages came, and finds those that came twice or
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

// add records a message that came after the ones before.
func (a *account) add(msg mq.Message) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := number(msg)
	of := numbered{typ: m.typ, sender: m.sender}
	last, ok := a.last[of]
	twice := a.seen[m]
	a.seen[m], a.last[of] = true, m.n
	switch {
	case twice:
		return fmt.Errorf("%s: %+v came twice", a.name, m)
	case ok && last >= m.n:
		return fmt.Errorf("%s: %+v came after %d", a.name, m, last)
	}
	return nil
}

// stress sends numbered messages, for 0.6 seconds times IPCMQ_STRESS, while
// subscriptions with random selectors come and go in every way. It checks that
// nothing was lost or doubled among what subscriptions got, what they left
// unread, and what is left in the queue. With an auditor, a subscription that
// gets everything, it checks that all messages came in order.
func stress(t *testing.T, q mq.Queue, audited bool) {
	const types, senders, churners = 6, 3, 4
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(fromEnv(t, "IPCMQ_STRESS", 1))*600*time.Millisecond)
	defer cancel()
	m := newMux(t, q, nil)

	auditor := newAccount("auditor")
	var audits sync.WaitGroup
	if audited {
		sub := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 16})
		audits.Go(func() {
			for msg := range sub.Messages() {
				if err := auditor.add(msg); err != nil {
					t.Error(err)
				}
			}
		})
	}

	// found is what came to any subscription; overlapping ones may each get a
	// message.
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
				name := fmt.Sprintf("subscription %d of %d", n, c)
				if err := churn(ctx, m, newAccount(name), types, rand.IntN(7), find); err != nil {
					t.Error(err)
				}
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

// The ways in which churn uses and ends a subscription.
const (
	byOnce = iota
	byOn
	byLimit
	byDrain
	// others: by Unsubscribe
)

// churn begins a subscription with a random selector, uses it for a while, and
// ends it in the given way. It calls find with each message.
func churn(ctx context.Context, m *mux.Mux, got *account, types int64, way int, find func(mq.Message)) error {
	typ := rand.Int64N(types) + 1
	selector := []mq.Selector{mq.Type(typ), mq.Type(typ), mq.UpTo(typ), mq.Except(typ), mq.Any()}[rand.IntN(5)]
	cfg := &mux.SubscribeConfig{Buffer: 1 + rand.IntN(4), Unclaimed: rand.IntN(8) == 0}
	var mu sync.Mutex
	var faults []error
	fault := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			faults = append(faults, err)
		}
	}
	took := func(msg mq.Message) {
		if !selector.Matches(msg.Type) {
			fault(fmt.Errorf("%v got type %d", selector, msg.Type))
		}
		fault(got.add(msg))
		find(msg)
	}
	n := rand.IntN(30)
	switch way {
	case byOnce:
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
		defer cancel()
		msg, err := m.Once(ctx, selector)
		if err == nil {
			took(msg)
		} else if ctx.Err() == nil {
			fault(err)
		}
		return errors.Join(faults...)
	case byOn:
		fault(churnOn(m, selector, cfg, n+1, took))
		mu.Lock()
		defer mu.Unlock()
		return errors.Join(faults...)
	case byLimit:
		cfg.Limit = n + 1
	}
	sub, err := m.Subscribe(selector, cfg)
	if err != nil {
		return err
	}
	patience := time.After(time.Duration(rand.IntN(3000)) * time.Microsecond)
	count, open, idle := 0, true, false
	for open && !idle && count < n {
		var msg mq.Message
		select {
		case msg, open = <-sub.Messages():
			if open {
				took(msg)
				count++
			}
		case <-patience:
			idle = true
		}
	}
	if way == byDrain {
		sub.Drain()
		for msg := range sub.Messages() {
			took(msg)
			count++
		}
	}
	err = sub.Unsubscribe()
	for range sub.Messages() {
		fault(errors.New("a message came after Unsubscribe"))
	}
	unread := sub.Unread()
	if errors.Is(err, mq.ErrUnread) != (len(unread) > 0) {
		fault(fmt.Errorf("Unsubscribe: %w with %d unread", err, len(unread)))
	}
	for _, msg := range unread {
		took(msg)
		count++
	}
	if cfg.Limit > 0 && count > cfg.Limit {
		fault(fmt.Errorf("%d messages, and the limit is %d", count, cfg.Limit))
	}
	return errors.Join(faults...)
}

// churnOn calls took for about n messages, and ends itself from within the
// callback.
func churnOn(m *mux.Mux, selector mq.Selector, cfg *mux.SubscribeConfig, n int, took func(mq.Message)) error {
	var off func()
	ready, over, calls := make(chan struct{}), make(chan struct{}), 0
	off, err := m.On(selector, func(msg mq.Message) {
		<-ready
		took(msg)
		if calls++; calls == n {
			off()
			close(over)
		}
	}, cfg)
	if err != nil {
		return err
	}
	close(ready)
	select {
	case <-over:
	case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
		off()
	}
	return nil
}

func TestNothingIsLostWhileSubscriptionsComeAndGo(t *testing.T) {
	for _, audited := range []bool{true, false} {
		t.Run(fmt.Sprintf("System V, audited %v", audited), func(t *testing.T) { stress(t, newQueue(t, nil), audited) })
		t.Run(fmt.Sprintf("memory, audited %v", audited), func(t *testing.T) {
			q := mqtest.New(nil)
			defer q.Close()
			stress(t, q, audited)
		})
	}
}
