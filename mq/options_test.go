package mq_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

// A wrapped queue knows options if the one in it does.
type wrapped struct{ mq.Queue }

func (w wrapped) Unwrap() mq.Queue { return w.Queue }

type withOptions struct {
	mq.Queue
	got []mq.SendOptions
}

func (w *withOptions) SendWith(_ context.Context, _ mq.Message, o mq.SendOptions) error {
	w.got = append(w.got, o)
	return nil
}

func TestOptionsAreSentOrRefused(t *testing.T) {
	plain := mqtest.New(nil)
	defer plain.Close()
	m, o := mq.Message{Type: 1, Data: []byte("x")}, mq.SendOptions{ID: "order-17", TTL: time.Hour}
	if err := mq.SendWith(t.Context(), wrapped{plain}, m, o); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if n := plain.Stat().Messages; n != 0 {
		t.Errorf("%d messages were sent without the options", n)
	}
	if err := mq.SendWith(t.Context(), plain, m, mq.SendOptions{}); err != nil || plain.Stat().Messages != 1 {
		t.Error(err)
	}
	can := &withOptions{Queue: plain}
	for _, q := range []mq.Queue{can, wrapped{can}} {
		if err := mq.SendWith(t.Context(), q, m, o); err != nil {
			t.Error(err)
		}
	}
	if len(can.got) != 2 || can.got[0] != o || can.got[1] != o {
		t.Errorf("it got %v", can.got)
	}
}

func TestOptionsThatNoQueueTakes(t *testing.T) {
	for _, o := range []mq.SendOptions{
		{ID: strings.Repeat("x", 129)}, {ID: "two words"}, {ID: "line\r\n"}, {ID: "ä"}, {TTL: -1},
	} {
		if err := o.Validate(); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []mq.SendOptions{{}, {ID: strings.Repeat("x", 128)}, {ID: "!~"}, {TTL: 1}} {
		if err := o.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestALeaseOfAKernelQueueHasNoIDAndNoTime(t *testing.T) {
	q := mqtest.New(&mqtest.Config{Lease: time.Minute})
	defer q.Close()
	if err := q.TrySend(mq.Message{Type: 1}); err != nil {
		t.Fatal(err)
	}
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	l, err := r.Lease(t.Context())
	if err != nil || mq.IDOf(l) != "" || !mq.StoredAt(l).IsZero() {
		t.Errorf("%q, %v, %v", mq.IDOf(l), mq.StoredAt(l), err)
	}
}
