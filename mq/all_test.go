package mq_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

func TestAllIntoEndsWithTheFirstError(t *testing.T) {
	end := errors.New("the end")
	r := &script{messages: three(), end: end}
	var types []int64
	var last error
	for m, err := range mq.AllInto(t.Context(), r) {
		if last != nil {
			t.Fatal("a pair after the error")
		}
		types, last = append(types, m.Type), err
	}
	if !slices.Equal(types, []int64{1, 2, 3, 0}) || last != end {
		t.Errorf("got types %v and then %v", types, last)
	}
}

func TestLeavingAllIntoTakesNothingMore(t *testing.T) {
	r := &script{messages: three()}
	for m, err := range mq.AllInto(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Type == 2 {
			break
		}
	}
	if len(r.messages) != 1 || r.waits != 2 {
		t.Errorf("%d messages left after %d calls", len(r.messages), r.waits)
	}
}

func TestAllIntoReusesMemory(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	for _, text := range []string{"first", "next", ""} {
		if err := q.TrySend(mq.Message{Type: 1, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	var memory *byte
	for m, err := range mq.AllInto(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, string(m.Data))
		if len(m.Data) > 0 {
			if memory != nil && memory != &m.Data[0] {
				t.Errorf("%q has memory of its own", m.Data)
			}
			memory = &m.Data[0]
		}
		if len(seen) == 3 {
			break
		}
	}
	if !slices.Equal(seen, []string{"first", "next", ""}) {
		t.Errorf("got %q", seen)
	}
}

// counting is a sender that fails at the message of type bad.
type counting struct {
	sent []int64
	bad  int64
}

func (c *counting) Send(_ context.Context, m mq.Message) error { return c.TrySend(m) }

func (c *counting) TrySend(m mq.Message) error {
	if m.Type == c.bad {
		return mq.ErrFull
	}
	c.sent = append(c.sent, m.Type)
	return nil
}

// batching has the optional method.
type batching struct {
	counting
	batches int
}

func (b *batching) SendBatch(context.Context, []mq.Message) (int, error) {
	b.batches++
	return 1, mq.ErrFull
}

func TestSendBatchSaysHowManyWereSent(t *testing.T) {
	c := &counting{bad: 3}
	if n, err := mq.SendBatch(t.Context(), c, three()); n != 2 || err != mq.ErrFull || !slices.Equal(c.sent, []int64{1, 2}) {
		t.Errorf("%d, %v; sent %v", n, err, c.sent)
	}
	if n, err := mq.SendBatch(t.Context(), &counting{}, three()); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	b := &batching{}
	if n, err := mq.SendBatch(t.Context(), b, three()); n != 1 || err != mq.ErrFull || b.batches != 1 || b.sent != nil {
		t.Errorf("%d, %v; sent %v one by one", n, err, b.sent)
	}
}
