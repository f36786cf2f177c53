package mux_test

import (
	"context"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

// A lateQueue has receivers of single types whose first Receive succeeds although
// its context has ended meanwhile: a success may win that race.
type lateQueue struct {
	*mqtest.Queue
	begun, release chan struct{}
}

func (q *lateQueue) Select(s mq.Selector) (mq.Receiver, error) {
	r, err := q.Queue.Select(s)
	if err != nil || s.Kind() != mq.SelectType {
		return r, err
	}
	return &lateReceiver{Receiver: r, q: q, t: s.Type()}, nil
}

type lateReceiver struct {
	mq.Receiver
	q      *lateQueue
	t      int64
	called bool
}

func (r *lateReceiver) Receive(ctx context.Context) (mq.Message, error) {
	if r.called {
		return r.Receiver.Receive(ctx)
	}
	r.called = true
	select {
	case r.q.begun <- struct{}{}:
	case <-r.q.release: // a reader that was restarted
		return r.Receiver.Receive(ctx)
	}
	<-r.q.release
	return mq.Message{Type: r.t}, nil
}

func TestReadersThatStopDeliverToASubscriptionTogether(t *testing.T) {
	for range 20 {
		q := &lateQueue{mqtest.New(nil), make(chan struct{}, 2), make(chan struct{})}
		m := newMux(t, q, &mux.Config{Spin: -1})
		for _, typ := range []int64{1, 2} {
			subscribe(t, m, mq.Type(typ), nil)
		}
		<-q.begun
		<-q.begun
		both := subscribe(t, m, mq.UpTo(2), &mux.SubscribeConfig{Buffer: 1})
		close(q.release)
		var got [3]bool
		for range 2 {
			got[(<-both.Messages()).Type] = true
		}
		if !got[1] || !got[2] {
			t.Errorf("types %v", got)
		}
		if err := both.Unsubscribe(); err != nil {
			t.Error(err)
		}
		q.Close()
	}
}
