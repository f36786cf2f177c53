package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

// leaseTime is how long leases of these tests last, by the clock of a bubble.
const leaseTime = 10 * time.Second

// lending returns an in-memory queue that lends, with one frame of texts in it,
// and a batch queue on another handle of it.
func lending(t *testing.T, cfg *mqtest.Config, texts ...string) (*mqtest.Queue, *batch.Queue) {
	t.Helper()
	if cfg == nil {
		cfg = &mqtest.Config{}
	}
	cfg.Lease = leaseTime
	q := mqtest.New(cfg)
	t.Cleanup(func() { q.Close() })
	sendFrame(t, q, texts...)
	return q, start(t, q.Open(), nil)
}

func sendFrame(t *testing.T, q mq.Queue, texts ...string) {
	t.Helper()
	var parts [][]byte
	for _, text := range texts {
		parts = append(parts, []byte(text))
	}
	if err := q.TrySend(mq.Message{Type: 1, Data: batch.Frame(parts...)}); err != nil {
		t.Fatal(err)
	}
}

// leaser returns a receiver of leases of every message of b.
func leaser(t *testing.T, b mq.Leaser) mq.LeaseReceiver {
	t.Helper()
	r, err := b.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// take takes up to n leases, and none if there is no message for a second.
func take(t *testing.T, b mq.Leaser, n int) (leases []mq.Lease) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	leases, err := leaser(t, b).LeaseBatch(ctx, n)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return leases
}

// lent returns the payloads of the leases, with their attempts.
func lent(leases []mq.Lease) (got []string) {
	for _, l := range leases {
		got = append(got, fmt.Sprintf("%s %d", l.Message().Data, l.Attempt()))
	}
	return got
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// hasOnly fails the test unless the underlying queue has the given number of
// messages, and of lent ones.
func hasOnly(t *testing.T, q *mqtest.Queue, messages, leased int) {
	t.Helper()
	synctest.Wait()
	if st := q.Stat(); st.Messages != messages || st.Leased != leased {
		t.Errorf("the queue has %+v, want %d messages and %d lent", st, messages, leased)
	}
}

func TestPartsAreLentOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, b := lending(t, nil, "a", "b", "c")
		sendFrame(t, q, "d", "e")
		first, second := take(t, b, 1), take(t, b, 5)
		expect(t, lent(first), "a 1")
		expect(t, lent(second), "b 1", "c 1")
		expect(t, lent(take(t, b, 1)), "d 1")
		seen := map[uint64]bool{}
		for _, l := range append(first, second...) {
			seen[l.Sequence()] = true
			if time.Until(l.Deadline()) != leaseTime {
				t.Errorf("%s ends in %v", l.Message().Data, time.Until(l.Deadline()))
			}
		}
		if len(seen) != 3 {
			t.Errorf("3 messages have the numbers %v", seen)
		}
		ok(t, second[1].Ack(t.Context()), first[0].Ack(t.Context()), first[0].Ack(t.Context()))
		hasOnly(t, q, 0, 2)
		ok(t, second[0].Ack(t.Context()))
		hasOnly(t, q, 0, 1)
	})
}

func TestAPartThatIsGivenBackComesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, b := lending(t, nil, "a", "bad", "c")
		leases := take(t, b, 3)
		ok(t, leases[1].Nak(t.Context(), 0), leases[1].Nak(t.Context(), 0), leases[1].Extend(t.Context()))
		hasOnly(t, q, 1, 1)
		other := start(t, q.Open(), nil) // stands for another process
		lentAgain := take(t, other, 3)
		expect(t, lent(lentAgain), "bad 2")
		if lentAgain[0].Sequence() != leases[1].Sequence() {
			t.Errorf("number %d, and then %d", leases[1].Sequence(), lentAgain[0].Sequence())
		}
		ok(t, leases[0].Ack(t.Context()), leases[2].Ack(t.Context()))
		hasOnly(t, q, 0, 1) // the frame is done
		ok(t, lentAgain[0].Nak(t.Context(), time.Minute))
		lentAgain = take(t, b, 1)
		expect(t, lent(lentAgain))
		<-time.After(time.Minute)
		lentAgain = take(t, b, 1)
		expect(t, lent(lentAgain), "bad 3")
		ok(t, lentAgain[0].Ack(t.Context()))
		hasOnly(t, q, 0, 0)
	})
}

func TestAPartThatIsGivenBackWithADelayComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, b := lending(t, nil, "a", "bad")
		leases := take(t, b, 2)
		ok(t, leases[0].Ack(t.Context()), leases[1].Nak(t.Context(), 5*leaseTime))
		given := time.Now()
		l, err := leaser(t, start(t, q.Open(), nil)).Lease(t.Context())
		ok(t, err)
		if took := time.Since(given); took != 5*leaseTime {
			t.Errorf("it came after %v", took)
		}
		expect(t, lent([]mq.Lease{l}), "bad 2")
		hasOnly(t, q, 0, 1)
		ok(t, l.Ack(t.Context()))
		hasOnly(t, q, 0, 0)
	})
}

func TestAPartWhoseLeaseRunsOutComesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, b := lending(t, nil, "slow", "hung", "c")
		leases := take(t, b, 3)
		ok(t, leases[2].Ack(t.Context()))
		for range 3 {
			<-time.After(leaseTime / 2)
			ok(t, leases[0].Extend(t.Context()))
		}
		lentAgain := take(t, start(t, q.Open(), nil), 3)
		expect(t, lent(lentAgain), "hung 2")
		ok(t, leases[0].Ack(t.Context()), leases[1].Ack(t.Context()), leases[1].Nak(t.Context(), 0))
		hasOnly(t, q, 0, 1)
		ok(t, lentAgain[0].Ack(t.Context()))
		hasOnly(t, q, 0, 0)
	})
}

// A full queue takes nothing back; then the holder of the frame lends the part
// again.
func TestAPartComesAgainFromAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, b := lending(t, &mqtest.Config{Capacity: 12, MaxMessage: 12}, "abc", "bad")
		leases := take(t, b, 2)
		waiting := make(chan mq.Lease)
		go func() {
			l, err := leaser(t, b).Lease(t.Context())
			if err != nil {
				t.Error(err)
			}
			waiting <- l
		}()
		synctest.Wait()
		ok(t, leases[1].Nak(t.Context(), 0))
		l := <-waiting
		expect(t, lent([]mq.Lease{l}), "bad 2")
		<-time.After(leaseTime / 2)
		ok(t, l.Ack(t.Context()))
		hasOnly(t, q, 0, 1)
		ok(t, leases[0].Ack(t.Context()))
		hasOnly(t, q, 0, 0)
	})
}

func TestTheRestOfAFrameGoesToWaitingCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Lease: leaseTime})
		b := start(t, q.Open(), nil)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				l, err := leaser(t, b).Lease(t.Context())
				if err == nil {
					err = l.Ack(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		sendFrame(t, q, "a", "b", "c", "d", "e")
		wg.Wait()
		hasOnly(t, q, 0, 0)
		q.Close()
	})
}

// The messages of a frame that nobody asks for are given back, and none of them
// twice.
func TestTheRestOfAFrameIsGivenBack(t *testing.T) {
	for name, leave := range map[string]func(*testing.T, *batch.Queue){
		"later": func(t *testing.T, _ *batch.Queue) { <-time.After(3 * leaseTime) },
		"Shutdown": func(t *testing.T, b *batch.Queue) {
			ok(t, b.Shutdown(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, b := lending(t, nil, "a", "b", "c")
				l := take(t, b, 1)
				ok(t, l[0].Ack(t.Context()))
				sendFrame(t, q, "d", "e")
				ok(t, take(t, b, 2)[0].Nak(t.Context(), time.Second)) // b, before its delay is over; c is held
				<-time.After(2 * time.Second)
				leave(t, b)
				other := start(t, q.Open(), nil)
				var got []string
				for range 6 { // b waits for its delay
					l := take(t, other, 1)
					got = append(got, lent(l)...)
					for _, l := range l {
						ok(t, l.Ack(t.Context()))
					}
				}
				slices.Sort(got)
				want := []string{"b 2", "c 2", "d 1", "e 1"}
				if name == "Shutdown" { // c is held, and its lease goes on
					want = []string{"b 2", "d 1", "e 1"}
				}
				expect(t, got, want...)
			})
		})
	}
}

// A closed handle stands for a dead holder: its leases run out.
func TestOnlyTheMessageThatKillsItsHoldersIsDeadLettered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Lease: leaseTime})
		defer q.Close()
		sendFrame(t, q, "a", "b", "killer", "d", "e")
		handled, dead := map[string]int{}, map[string]int{}
		for range 10 {
			b := start(t, q.Open(), nil)
			ctx, cancel := context.WithCancel(t.Context())
			err := make(chan error)
			go func() {
				err <- lease.Handle(ctx, b, func(ctx context.Context, d lease.Delivery) error {
					if string(d.Data) == "killer" {
						b.Close()
						<-ctx.Done()
						return ctx.Err()
					}
					handled[string(d.Data)]++
					return nil
				}, &lease.Config{MaxAttempts: 3, DeadLetter: func(_ context.Context, d lease.Delivery, err error) error {
					if !errors.Is(err, lease.ErrAttempts) {
						t.Errorf("%s: %v", d.Data, err)
					}
					dead[string(d.Data)]++
					return nil
				}})
			}()
			<-time.After(3 * leaseTime)
			cancel()
			<-err
			b.Close()
		}
		for _, text := range []string{"a", "b", "d", "e"} {
			if n := handled[text]; n < 1 || n > 2 || len(text) > 0 && text > "c" && n != 1 {
				t.Errorf("%s was handled %d times", text, n)
			}
		}
		if len(dead) != 1 || dead["killer"] != 1 {
			t.Errorf("dead: %v", dead)
		}
		hasOnly(t, q, 0, 0)
	})
}

func TestTheLastAckOfAFrameIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, b := lending(t, nil, "a", "b")
		leases := take(t, b, 2)
		ok(t, leases[0].Ack(t.Context()))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := leases[1].Ack(ended); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		hasOnly(t, q, 0, 1)
		ok(t, leases[1].Ack(t.Context()))
		hasOnly(t, q, 0, 0)
	})
}

func TestPutBackMessagesAreReceivedUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := string(batch.Wrap(7, 8, time.Hour, []byte("payload")))
		q, b := lending(t, nil, "a", fake, "")
		ok(t, q.TrySend(mq.Message{Type: 2, Data: []byte("alone")}))
		for _, l := range take(t, b, 4) {
			ok(t, l.Nak(t.Context(), 0))
		}
		for _, l := range take(t, b, 4) {
			ok(t, l.Nak(t.Context(), 0))
		}
		ok(t, b.TrySend(mq.Message{Type: 3, Data: []byte(fake)}))
		got := texts(t, b)
		slices.Sort(got)
		expect(t, got, "1:", "1:a", "1:"+fake, "2:alone", "3:"+fake)
		hasOnly(t, q, 0, 0)
	})
}

func TestLeasesNeedAQueueThatLends(t *testing.T) {
	b := start(t, &failing{Queue: mqtest.New(nil)}, nil)
	_, err := b.SelectLeases(mq.Any())
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "*batch_test.failing") {
		t.Error(err)
	}
	if err := lease.Handle(t.Context(), b, func(context.Context, lease.Delivery) error { return nil }, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
