package sysv_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestTruncationIsSeenOnTheMessage(t *testing.T) {
	for _, test := range []struct {
		limit, sent, want int
		truncated         bool
	}{
		{5, 0, 0, false}, {5, 4, 4, false}, {5, 5, 5, false}, {5, 6, 5, true}, {5, 8192, 5, true},
		{1, 0, 0, false}, {1, 1, 1, false}, {1, 2, 1, true},
		{8191, 8191, 8191, false}, {8191, 8192, 8191, true}, {8192, 8192, 8192, false}, {8193, 8192, 8192, false},
		{math.MaxInt32, 8192, 8192, false}, {math.MaxInt, 8192, 8192, false},
	} {
		q := newQueue(t, &sysv.Config{Truncate: test.limit})
		data := bytes.Repeat([]byte("0123456789"), 1000)[:test.sent]
		for _, way := range ways {
			if err := q.TrySend(mq.Message{Type: 1, Data: data}); err != nil {
				t.Fatal(err)
			}
			peeked, err := q.Peek(0)
			if err != nil && !errors.Is(err, errors.ErrUnsupported) {
				t.Fatal(err)
			}
			m, e := way.receive(t.Context(), q)
			if e != nil || !bytes.Equal(m.Data, data[:test.want]) || m.Truncated != test.truncated {
				t.Errorf("%+v, %s: %d bytes, truncated %v, %v", test, way.name, len(m.Data), m.Truncated, e)
			}
			if err == nil && (!bytes.Equal(peeked.Data, m.Data) || peeked.Truncated != m.Truncated) {
				t.Errorf("%+v, Peek: %d bytes, truncated %v", test, len(peeked.Data), peeked.Truncated)
			}
			if n := waiting(t, q); n != 0 {
				t.Errorf("%+v, %s: the rest stays", test, way.name)
			}
		}
	}
}

func TestTruncatedIsSetForEachMessage(t *testing.T) {
	q := newQueue(t, &sysv.Config{Truncate: 1})
	m := mq.Message{Truncated: true}
	for _, text := range []string{"a", "bb", "c", ""} {
		if err := q.TrySend(mq.Message{Type: 1, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		if err := q.TryReceiveInto(&m); err != nil || m.Truncated != (len(text) > 1) {
			t.Errorf("%q: truncated %v, %v", text, m.Truncated, err)
		}
	}
}

func TestPeekLeavesTheMessage(t *testing.T) {
	q := newQueue(t, nil)
	if _, err := q.Peek(0); errors.Is(err, errors.ErrUnsupported) {
		testutil.Lacking(t, "a kernel with MSG_COPY (CONFIG_CHECKPOINT_RESTORE)")
	} else if !errors.Is(err, mq.ErrEmpty) {
		t.Errorf("empty queue: %v", err)
	}
	types := []int64{7, 3, 5}
	send(t, q, types...)
	for range 2 {
		for i, want := range types {
			m, err := q.Peek(i)
			if err != nil || m.Type != want || string(m.Data) != strconv.FormatInt(want, 10) || m.Truncated {
				t.Errorf("position %d: %+v, %v", i, m, err)
			}
		}
	}
	for _, i := range []int{3, 1000, math.MaxInt32} {
		if m, err := q.Peek(i); !errors.Is(err, mq.ErrEmpty) || !strings.Contains(err.Error(), "no message at position") {
			t.Errorf("position %d: %+v, %v", i, m, err)
		}
	}
	if _, err := q.Peek(-1); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("position -1: %v", err)
	}
	if got := drain(t, q); !slices.Equal(got, types) {
		t.Errorf("left %v", got)
	}
}
