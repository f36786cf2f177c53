package large_test

import (
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/large"
)

func TestStoresShowWhereThePayloadsAre(t *testing.T) {
	q := newQueue(t, true)
	l, err := large.Wrap(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	payload := make([]byte, 100_000)
	for range 3 {
		if err := l.TrySend(mq.Message{Type: 1, Data: payload}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.TryReceive(); err != nil {
		t.Fatal(err)
	}
	find := func() (found large.Store) {
		for s, err := range large.Stores() {
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range s.Queues {
				if w.Queue == q.ID() {
					found = s
				}
			}
		}
		return found
	}
	s := find()
	want := large.Waiting{Queue: q.ID(), Payloads: 2, Bytes: 200_000}
	if len(s.Queues) != 1 || s.Queues[0] != want || s.Sender == 0 || s.Forsaken || s.Size < 300_000 {
		t.Errorf("%+v", s)
	}
	if err := q.Remove(); err != nil { // like a program that does not know about large payloads
		t.Fatal(err)
	}
	want.Gone = true
	if s := find(); len(s.Queues) != 1 || s.Queues[0] != want {
		t.Errorf("%+v", s)
	}
	large.Collect()
	l.Close()
	if s := find(); s.Segment != 0 {
		t.Errorf("%+v", s)
	}
}
