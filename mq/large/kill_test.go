package large_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/store"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
)

// killAt kills this process when it reaches a step for the nth time.
func killAt(step string, n int) {
	store.Step = func(name string) {
		if name != step {
			return
		}
		if n--; n == 0 {
			testutil.KillSelf()
		}
	}
}

// killed runs a process that kills itself at a step.
func killed(t *testing.T, role string, id int, step string, count int) {
	t.Helper()
	cmd := testutil.Command(t, role, fmt.Sprint(id), step, fmt.Sprint(count))
	if err := cmd.Run(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("it was not killed at %q: %v", step, err)
	}
}

// newQueue creates a queue, with a key or without.
func newQueue(t testing.TB, private bool) *sysv.Queue {
	t.Helper()
	if !private {
		q := openSysV(t, freeKey(t), &sysv.Config{Lease: time.Hour})
		t.Cleanup(func() { q.Close() })
		return q
	}
	q := openSysV(t, sysv.Private, nil)
	t.Cleanup(func() {
		sys.MsgRemove(q.ID())
		q.Close()
	})
	return q
}

// byID opens and wraps a queue.
func byID(t testing.TB, id int, cfg *large.Config) *large.Queue {
	t.Helper()
	q, err := sysv.OpenID(id, &sysv.Config{Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return wrap(t, q, cfg)
}

// drain receives all messages in the queue.
func drain(t testing.TB, q mq.Receiver) (all []string) {
	t.Helper()
	for {
		m, err := q.TryReceive()
		if err != nil {
			return all
		}
		if m.Truncated {
			t.Errorf("a payload is missing: %x", m.Data)
		}
		all = append(all, string(m.Data))
	}
}

// stores lists all stores.
func stores(t testing.TB) (ids []int) {
	t.Helper()
	for s, err := range procfs.Segments(procfs.Root) {
		if err != nil {
			t.Fatal(err)
		}
		if !s.Removed && s.Key == 0 {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// quick makes this process free soon what killed programs have left.
func quick(t testing.TB) {
	store.SetGrace(time.Millisecond)
	t.Cleanup(func() { store.SetGrace(30 * time.Second) })
}

// expectCollected fails the test unless all stores are removed soon.
func expectCollected(t testing.TB) {
	t.Helper()
	testutil.Await(t, func() error {
		store.Collect()
		if ids := stores(t); len(ids) > 0 {
			return fmt.Errorf("stores %v are left", ids)
		}
		return nil
	})
}

var emulated = "the emulator shows a process another start time of itself than others see, so that it looks dead to them"

func TestASenderKilledAtAnyStepLeavesNothing(t *testing.T) {
	testutil.NotEmulated(t, emulated)
	quick(t)
	for _, private := range []bool{false, true} {
		for _, step := range []string{"made", "entered", "ready", "taken", "copied in", "stored", "sent", "noted"} {
			for count := 1; count <= 2; count++ {
				made := step == "made" || step == "entered" || step == "ready"
				if made && count > 1 {
					continue
				}
				q := newQueue(t, private)
				killed(t, "send until killed", q.ID(), step, count)
				want := count - 1
				if step == "sent" || step == "noted" {
					want = count
				}
				r := byID(t, q.ID(), nil)
				store.Collect()
				store.Collect()
				if got := drain(t, r); len(got) != want || slices.ContainsFunc(got, func(s string) bool { return s != string(pattern(20_000)) }) {
					t.Errorf("killed at %q: %d messages, want %d", step, len(got), want)
				}
				r.Close()
				if step == "made" || step == "entered" { // nobody can recognize the store yet
					for _, id := range stores(t) {
						sys.ShmRemove(id)
					}
				}
				expectCollected(t)
			}
		}
	}
}

func init() {
	roles["send until killed"] = func() {
		killAt(os.Args[2], number(3))
		q := openID(number(1), mq.ReadWrite)
		for range 3 {
			err := q.Send(context.Background(), mq.Message{Type: 1, Data: pattern(20_000)})
			expect(err == nil, "%v", err)
		}
		expect(false, "no such step")
	}
}

func TestAReceiverKilledAtAnyStepLeavesNothing(t *testing.T) {
	testutil.NotEmulated(t, emulated)
	quick(t)
	for _, private := range []bool{false, true} {
		for _, step := range []string{"received", "copied out", "acked", "freed"} {
			if private && step == "acked" {
				continue
			}
			q := newQueue(t, private)
			s := byID(t, q.ID(), &large.Config{MaxPayload: 20_000, Memory: 60_000})
			for i := range 3 {
				send(t, s, 1, append(pattern(19_999), byte(i)))
			}
			killed(t, "receive until killed", q.ID(), step, 2)
			want := 1 // the last
			if !private && (step == "received" || step == "copied out") {
				want = 2 // nothing is lost
			}
			got := drain(t, byID(t, q.ID(), nil))
			if len(got) != want || !bytes.Equal([]byte(got[want-1]), append(pattern(19_999), 2)) {
				t.Errorf("killed at %q, private %v: %d messages, want %d", step, private, len(got), want)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			for range 3 { // there is room for all again
				if err := s.Send(ctx, mq.Message{Type: 1, Data: pattern(20_000)}); err != nil {
					t.Fatalf("killed at %q, private %v: %v", step, private, err)
				}
			}
			cancel()
			if got := drain(t, s); len(got) != 3 {
				t.Errorf("%d messages", len(got))
			}
			s.Close()
			expectCollected(t)
		}
	}
}

func init() {
	roles["receive until killed"] = func() {
		killAt(os.Args[2], number(3))
		q := openID(number(1), mq.ReadWrite)
		for range 3 {
			_, err := q.Receive(context.Background())
			expect(err == nil, "%v", err)
		}
		expect(false, "no such step")
	}
}
