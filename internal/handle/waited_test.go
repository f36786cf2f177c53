package handle_test

import (
	"context"
	"errors"
	"testing"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// A meter is a queue of which only the usage matters.
type meter struct {
	mq.Queue
	usage mq.Usage
	err   error
}

func (m meter) Usage() (mq.Usage, error) { return m.usage, m.err }

// A wrapper is a queue around another, which counts nothing itself.
type wrapper struct{ mq.Queue }

func (w wrapper) Unwrap() mq.Queue { return w.Queue }

func TestNoRoomSaysWhatIsFull(t *testing.T) {
	for want, u := range map[string]mq.Usage{
		"":                                     {Messages: 1, MaxMessages: 100, Bytes: 10, MaxBytes: 100},
		"the queue is full: 100 of 100 bytes":  {Messages: 1, MaxMessages: 100, Bytes: 100, MaxBytes: 100},
		"the queue is full: 120 of 100 bytes":  {Messages: 1, MaxMessages: 100, Bytes: 120, MaxBytes: 100}, // it was made smaller
		"the queue is full: 10 of 10 messages": {Messages: 10, MaxMessages: 10},
		"the queue is full: 5 of 5 messages":   {Messages: 5, MaxMessages: 5, Bytes: 0, MaxBytes: 50},
		"the queue has no room for 20 bytes: 90 of 100 are taken": {Messages: 1, MaxMessages: 100, Bytes: 90, MaxBytes: 100},
	} {
		if got := handle.NoRoom(wrapper{meter{usage: u}}, 20); got != want {
			t.Errorf("%+v: %q, want %q", u, got, want)
		}
	}
}

func TestNoMessageSaysWhatIsInTheQueue(t *testing.T) {
	for _, c := range []struct {
		s        mq.Selector
		messages int64
		want     string
	}{
		{mq.Any(), 0, "the queue is empty"},
		{mq.Type(7), 0, "the queue is empty"},
		{mq.Any(), 3, ""}, // they have just come
		{mq.Type(7), 1, "no message of type 7 came; another is in the queue"},
		{mq.Type(7), 3, "no message of type 7 came; 3 others are in the queue"},
		{mq.UpTo(7), 3, "no message of the types up to 7 came; 3 others are in the queue"},
		{mq.Except(7), 3, "no message of a type other than 7 came; 3 others are in the queue"},
	} {
		if got := handle.NoMessage(meter{usage: mq.Usage{Messages: c.messages}}, c.s); got != c.want {
			t.Errorf("%v of %d: %q, want %q", c.s, c.messages, got, c.want)
		}
	}
}

func TestUnknownUsageIsLeftOut(t *testing.T) {
	for _, q := range []mq.Queue{wrapper{}, meter{err: mq.ErrClosed}} {
		if room, message := handle.NoRoom(q, 1), handle.NoMessage(q, mq.Any()); room != "" || message != "" {
			t.Errorf("%q, %q", room, message)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := handle.Waited(handle.Ended("send", "/jobs", ctx), "")
	if e.Error() != "mq: send /jobs: context canceled" {
		t.Error(e)
	}
	e = handle.Waited(e, "the queue is full")
	if e.Error() != "mq: send /jobs: context canceled; the queue is full" || !errors.Is(e, context.Canceled) {
		t.Error(e)
	}
	h := handle.Handle{Name: "/jobs"}
	if e := handle.Waited(h.Ended("send", ctx, true), "the queue is full"); e.Error() != "mq: send /jobs: "+mq.ErrClosed.Error() {
		t.Error(e)
	}
}
