package sysv_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/pool"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// openLending opens the queue with a key; leases last as long as given.
func openLending(t testing.TB, key sysv.Key, lasts time.Duration) *sysv.Queue {
	t.Helper()
	q, err := sysv.Open(key, &sysv.Config{Lease: lasts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func lending(t testing.TB, q mq.Leaser, s mq.Selector) mq.LeaseReceiver {
	t.Helper()
	notEmulated(t)
	r, err := q.SelectLeases(s)
	if errors.Is(err, errors.ErrUnsupported) && strings.Contains(err.Error(), "no System V shared memory") {
		testutil.Lacking(t, "System V shared memory")
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// notEmulated ends a test of leases under most emulators, to save time.
func notEmulated(t testing.TB) {
	testutil.NotEmulated(t, "leases are tried on arm and s390x: 32 and 64 bits, little and big ends first",
		"arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64")
}

// leaseAll leases and acknowledges messages until n have come or it takes too
// long, and then a moment longer.
func leaseAll(t testing.TB, r mq.LeaseReceiver, n int) (got []mq.Lease) {
	t.Helper()
	for {
		patience := 10 * time.Second
		if len(got) >= n {
			patience = 10 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		l, err := r.Lease(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		got = append(got, l)
	}
}

// killAt kills this process when it reaches a step for the nth time.
func killAt(step string, n int) {
	pool.Step = func(name string) {
		if name != step {
			return
		}
		if n--; n == 0 {
			testutil.KillSelf()
		}
	}
}

// steps are where a process is killed, with the messages that it has
// acknowledged by then. The role "lease until killed" acknowledges the first
// message, gives the second back, and so on.
var steps = []struct {
	name  string
	count int // which time
	gone  []string
}{
	{"entering", 1, nil}, {"entered", 1, nil},
	{"claimed", 1, nil}, {"cleared", 1, nil}, {"taking", 1, nil}, {"expected", 1, nil},
	{"taken", 1, nil}, {"lent", 1, nil}, {"held", 1, nil},
	{"acked", 1, []string{"tick"}},
	{"claimed", 2, []string{"tick"}}, {"cleared", 2, []string{"tick"}}, {"taking", 2, []string{"tick"}},
	{"taken", 2, []string{"tick"}}, {"lent", 2, []string{"tick"}},
	{"due", 1, []string{"tick"}}, {"returned", 1, []string{"tick"}},
	{"taken over", 1, []string{"tick"}},
	{"held", 3, []string{"tick"}},
}

func TestAHolderKilledAtAnyStepLosesNothing(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see, so that it looks dead to them")
	sent := []string{"tick", "tick", "", strings.Repeat("x", 5000), "tick"}
	for _, step := range steps {
		t.Run(fmt.Sprint(step.name, step.count), func(t *testing.T) {
			key := freeKey(t)
			q := openLending(t, key, time.Hour)
			r := lending(t, q, mq.Any())
			for _, data := range sent {
				if err := q.Send(t.Context(), mq.Message{Type: 3, Data: []byte(data)}); err != nil {
					t.Fatal(err)
				}
			}
			cmd := testutil.Command(t, "lease until killed", fmt.Sprint(uint32(key)), step.name, fmt.Sprint(step.count))
			out, err := cmd.Output()
			if err == nil || cmd.ProcessState.Exited() {
				t.Fatalf("the holder was not killed: %v, %s", err, out)
			}
			want := slices.Clone(sent)
			for _, gone := range step.gone {
				i := slices.Index(want, gone)
				want = slices.Delete(want, i, i+1)
			}
			var got []string
			for _, l := range leaseAll(t, r, len(want)) {
				m := l.Message()
				got = append(got, string(m.Data))
				if m.Type != 3 || l.(interface{ Uncertain() bool }).Uncertain() {
					t.Errorf("type %d, %d bytes, uncertain", m.Type, len(m.Data))
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%d messages are there, not %d: %.20q", len(got), len(want), got)
			}
			expectUnused(t, q)
		})
	}
}

// expectUnused fails the test unless everything was settled.
func expectUnused(t *testing.T, q *sysv.Queue) {
	t.Helper()
	if n := waiting(t, q); n != 0 {
		t.Errorf("%d messages are in the queue", n)
	}
}

func init() {
	roles["lease until killed"] = func() {
		killAt(os.Args[2], number(3))
		q, err := sysv.Open(sysv.Key(number(1)), &sysv.Config{OpenOnly: true, Lease: time.Hour})
		expect(err == nil, "%v", err)
		r, err := q.SelectLeases(mq.Any())
		expect(err == nil, "%v", err)
		for i := range 5 {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			l, err := r.Lease(ctx)
			cancel()
			expect(err == nil, "%v", err)
			if i%2 == 0 {
				err = l.Ack(context.Background())
			} else {
				err = l.Nak(context.Background(), 0)
			}
			expect(err == nil, "%v", err)
		}
		expect(false, "no such step")
	}
}
