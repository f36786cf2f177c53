package sysv_test

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"testing"

	"ipcmq/mq"
)

func TestNoMemoryIsAllocated(t *testing.T) {
	if underRace() {
		t.Skip("under the race detector sync.Pool drops items at random")
	}
	q := newQueue(t, nil)
	ctx := t.Context()
	m := mq.Message{Type: 1, Data: make([]byte, 64)}
	check := func(name string, f func() error) {
		t.Helper()
		allocs := testing.AllocsPerRun(1000, func() {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	check("Send and ReceiveInto", func() error {
		return errors.Join(q.Send(ctx, m), q.ReceiveInto(ctx, &m))
	})
	check("TrySend and TryReceiveInto", func() error {
		return errors.Join(q.TrySend(m), q.TryReceiveInto(&m))
	})
	check("TryReceiveInto of an empty queue", func() error {
		if q.TryReceiveInto(&m) == nil { // errors.Is would allocate
			return errors.New("not empty")
		}
		return nil
	})
	// A call that sleeps, without a context that can end.
	back := newQueue(t, nil)
	go func() {
		var echo mq.Message
		for q.ReceiveInto(context.Background(), &echo) == nil && back.Send(context.Background(), echo) == nil {
		}
	}()
	check("a round trip through sleeping receivers", func() error {
		return errors.Join(q.Send(context.Background(), m), back.ReceiveInto(context.Background(), &m))
	})
	q.Close()
}

// underRace reports whether the race detector is on.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
