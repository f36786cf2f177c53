package mux_test

import (
	"fmt"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

// A steppedQueue has receivers whose every TryReceiveInto waits for its turn.
type steppedQueue struct {
	*mqtest.Queue
	asked chan chan struct{} // each call puts a channel here and waits on that
}

func (q *steppedQueue) Select(s mq.Selector) (mq.Receiver, error) {
	r, err := q.Queue.Select(s)
	return steppedReceiver{r, q.asked}, err
}

type steppedReceiver struct {
	mq.Receiver
	asked chan chan struct{}
}

func (r steppedReceiver) TryReceiveInto(m *mq.Message) error {
	turn := make(chan struct{})
	r.asked <- turn
	<-turn
	return r.Receiver.TryReceiveInto(m)
}

// TestSubscriptionsThatChangeWhileMessagesAreGathered has a reader that holds
// four messages for one subscription, while another one begins, then one that
// wants a single message, and the first one leaves.
func TestSubscriptionsThatChangeWhileMessagesAreGathered(t *testing.T) {
	q := &steppedQueue{mqtest.New(nil), make(chan chan struct{})}
	for i, typ := range []int64{7, 7, 7, 5, 7, 7, 7} {
		send(t, q, typ, fmt.Sprint(i))
	}
	m := newMux(t, q, &mux.Config{Spin: -1})
	first := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 8})
	turn := <-q.asked
	next := func() {
		close(turn)
		turn = <-q.asked
	}
	next() // 0 is taken, and delivered because there was no more to take
	expect(t, first.Messages(), "0")
	next()
	next() // 1 and 2, together
	expect(t, first.Messages(), "1", "2")
	next()
	next()
	next() // 3, 4 and 5 are held, and 6 is about to be taken
	other := subscribe(t, m, mq.UpTo(5), nil)
	release := mux.Hold(other)
	close(turn)
	expect(t, first.Messages(), "3") // the reader is about to give it to the other, too
	one := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Limit: 1})
	first.Drain()
	release()
	go func() {
		for turn := range q.asked {
			close(turn)
		}
	}()
	expect(t, other.Messages(), "3")
	got := map[string]int{}
	rest := first.Messages()
	for msg := range rest {
		got[string(msg.Data)]++
	}
	if err := other.Unsubscribe(); err != nil {
		t.Error(err)
	}
	one.Drain()
	n := 0
	for msg := range one.Messages() {
		got[string(msg.Data)]++
		n++
	}
	if n > 1 {
		t.Errorf("%d messages for one that wanted 1", n)
	}
	for _, want := range []string{"4", "5", "6"} {
		if got[want] == 0 {
			t.Errorf("%s is lost", want)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	q.Close()
	close(q.asked)
}
