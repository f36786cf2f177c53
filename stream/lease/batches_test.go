package lease_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/codec"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

func startBatches(tb testing.TB, q mq.Queue, h lease.BatchHandler, cfg *lease.BatchConfig) *running {
	ctx, cancel := context.WithCancelCause(tb.Context())
	r := &running{cancel: cancel, err: make(chan error, 1)}
	go func() { r.err <- lease.HandleBatches(ctx, q, h, cfg) }()
	return r
}

// payloads returns the payloads of a batch, with the attempts above 1.
func payloads(batch []lease.Delivery) string {
	var texts []string
	for _, d := range batch {
		text := string(d.Data)
		if d.Attempt > 1 {
			text += fmt.Sprintf("(%d)", d.Attempt)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

// Messages 0 to 3 come at once, then one each second.
func TestBatchesAreCompleteByNumberBytesOrAge(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  lease.BatchConfig
		want []string
	}{
		{"what is there", lease.BatchConfig{}, []string{"0s 0 1 2 3", "1s 4", "2s 5", "3s 6", "4s 7"}},
		{"number", lease.BatchConfig{MaxItems: 3}, []string{"0s 0 1 2", "0s 3", "1s 4", "2s 5", "3s 6", "4s 7"}},
		{"number or age", lease.BatchConfig{MaxItems: 3, MaxAge: 1500 * time.Millisecond}, []string{"0s 0 1 2", "1.5s 3 4", "3.5s 5 6", "5.5s 7"}},
		{"bytes or age", lease.BatchConfig{MaxBytes: 2, MaxAge: time.Minute}, []string{"0s 0 1", "0s 2 3", "2s 4 5", "4s 6 7"}},
		{"age", lease.BatchConfig{MaxAge: time.Minute}, []string{"1m0s 0 1 2 3 4 5 6 7"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := lendingQueue(t)
				send(t, q, 1, 0, 4)
				j := newJournal()
				r := startBatches(t, q, func(_ context.Context, batch []lease.Delivery) error {
					j.note("%s", payloads(batch))
					return nil
				}, &c.cfg)
				for i := range 4 {
					<-time.After(time.Second)
					send(t, q, 1, 4+i, 5+i)
				}
				<-time.After(2 * time.Minute)
				j.is(t, c.want...)
				empty := q.Stat().Messages + q.Stat().Leased
				if err := r.stop(); err != nil || empty != 0 {
					t.Errorf("%v; %d messages are left", err, empty)
				}
			})
		})
	}
}

// A failed batch is handled again one by one, so that its poison is found.
func TestPoisonOfABatchGoesToDeadLetterAlone(t *testing.T) {
	for name, fail := range map[string]func(batch []lease.Delivery) error{
		"error": func([]lease.Delivery) error { return errors.New("broken") },
		"panic": func([]lease.Delivery) error { panic(errors.New("broken")) },
		"exit":  func([]lease.Delivery) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, j := lendingQueue(t), newJournal()
				send(t, q, 1, 0, 4)
				var errs atomic.Int32
				r := startBatches(t, q, func(_ context.Context, batch []lease.Delivery) error {
					j.note("%s", payloads(batch))
					if slices.ContainsFunc(batch, func(d lease.Delivery) bool { return string(d.Data) == "2" }) {
						return fail(batch)
					}
					return nil
				}, &lease.BatchConfig{Config: lease.Config{
					MaxAttempts: 3,
					RetryDelay:  func(int, error) time.Duration { return time.Second },
					OnError:     func(lease.Delivery, error) { errs.Add(1) },
					DeadLetter: func(_ context.Context, d lease.Delivery, err error) error {
						j.note("dead %s %d", d.Data, d.Attempt)
						return nil
					},
				}})
				<-time.After(time.Minute)
				want := []string{"0s 0 1 2 3", "1s 0(2)", "1s 1(2)", "1s 2(2)", "1s 3(2)", "2s 2(3)", "2s dead 2 3"}
				if name == "exit" { // only the number of attempts shows that it ended
					want[6] = "3s dead 2 4"
				}
				j.isInAnyOrder(t, want...)
				if n := errs.Load(); n != 4+2 {
					t.Errorf("%d errors were reported, want 6", n)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				empty(t, q)
			})
		})
	}
}

func TestSomeMessagesOfABatchFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 5)
		broken := errors.New("broken")
		r := startBatches(t, q, func(_ context.Context, batch []lease.Delivery) error {
			j.note("%s", payloads(batch))
			switch payloads(batch) {
			case "0 1 2 3 4":
				return fmt.Errorf("bulk insert: %w", lease.Failed{1: broken, 3: broken, 4: nil})
			case "1(2)":
				return lease.Failed{1: broken} // there is no such index
			}
			return lease.Failed{}
		}, &lease.BatchConfig{Config: lease.Config{OnError: func(d lease.Delivery, err error) {
			if !errors.Is(err, broken) {
				t.Error(err)
			}
			j.note("%s: %v", d.Data, err)
		}}})
		<-time.After(time.Hour)
		j.isInAnyOrder(t, "0s 0 1 2 3 4", "0s 1: broken", "0s 3: broken", "1s 1(2)",
			"1s 1: the handler of a batch of 1 messages returned an error for index 1: broken", "1s 3(2)", "3s 1(3)")
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestFailedShowsWhy(t *testing.T) {
	broken := errors.New("broken")
	f := lease.Failed{7: broken, 12: errors.New("other")}
	if got := f.Error(); got != "2 messages of the batch failed, the first of them, with index 7: broken" || !errors.Is(f, broken) {
		t.Error(got)
	}
	if got := (lease.Failed{}).Error(); got != "no message of the batch failed" {
		t.Error(got)
	}
}

// Messages that wait for others, for a slot, or for their handler, are kept.
func TestLeasesOfABatchAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 3)
		var running, most atomic.Int32
		r := startBatches(t, q, func(_ context.Context, batch []lease.Delivery) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			j.note("%s", payloads(batch))
			<-time.After(5 * leaseTime)
			return nil
		}, &lease.BatchConfig{MaxItems: 5, MaxBytes: 2, MaxAge: 10 * leaseTime, Config: lease.Config{Concurrency: 2}})
		<-time.After(leaseTime)
		send(t, q, 1, 3, 6)
		<-time.After(30 * leaseTime)
		j.is(t, "0s 0 1", "10s 2 3", "50s 4 5")
		if most.Load() != 2 {
			t.Errorf("%d batches were handled at once", most.Load())
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		empty(t, q)
	})
}

func TestStoppingGivesBackAnIncompleteBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := lendingQueue(t)
		send(t, q, 1, 0, 5)
		var mu sync.Mutex
		var seen []string
		r := startBatches(t, q, func(ctx context.Context, batch []lease.Delivery) error {
			mu.Lock()
			seen = append(seen, payloads(batch))
			mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		}, &lease.BatchConfig{MaxItems: 2, MaxAge: time.Minute, Config: lease.Config{Concurrency: 3, OnError: func(d lease.Delivery, err error) {
			t.Errorf("%s: %v", d.Data, err)
		}}})
		<-time.After(time.Second)
		if st := q.Stat(); st.Leased != 5 {
			t.Errorf("%+v", st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if st := q.Stat(); st.Messages != 5 || st.Leased != 0 {
			t.Errorf("%+v: not all was given back", st)
		}
		slices.Sort(seen)
		if want := []string{"0 1", "2 3"}; !slices.Equal(seen, want) {
			t.Errorf("handled %q, want %q", seen, want)
		}
	})
}

// A lease that cannot be kept ends the batch; the others are given back.
func TestALostLeaseEndsItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newDistant(t)
		send(t, q, 1, 0, 2)
		started := make(chan struct{}, 10)
		var causes []error
		r := startBatches(t, q, func(ctx context.Context, batch []lease.Delivery) error {
			started <- struct{}{}
			if batch[0].Attempt > 1 {
				return nil
			}
			<-ctx.Done()
			causes = append(causes, context.Cause(ctx))
			return ctx.Err()
		}, nil)
		<-started
		q.setDown(unavailable("lease"))
		<-time.After(2 * leaseTime)
		q.setDown(nil)
		<-time.After(time.Hour)
		if len(causes) != 1 || !errors.Is(causes[0], lease.ErrLost) {
			t.Errorf("ended because of %v", causes)
		}
		if st := q.Queue.Stat(); st.Messages+st.Leased != 0 {
			t.Errorf("%+v", st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheEndOfTheQueueEndsBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := lendingQueue(t)
		send(t, q, 1, 0, 3)
		r := startBatches(t, q, func(context.Context, []lease.Delivery) error { return nil }, &lease.BatchConfig{MaxAge: time.Minute})
		<-time.After(time.Second)
		if err := q.Remove(); err != nil {
			t.Fatal(err)
		}
		if err := <-r.err; !errors.Is(err, mq.ErrRemoved) {
			t.Error(err)
		}
	})
}

func TestTypedBatchesHoldWhatCanBeDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		for _, text := range []string{`1`, `two`, `3`, `four`, `5`} {
			if err := q.Send(t.Context(), mq.Message{Type: 1, Data: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		r := startBatches(t, q, lease.TypedBatch(codec.JSON[int](), func(_ context.Context, values []int, batch []lease.Delivery) error {
			j.note("%v of %s", values, payloads(batch))
			if len(values) > 1 {
				return lease.Failed{2: errors.New("broken")}
			}
			return nil
		}), &lease.BatchConfig{Config: lease.Config{
			MaxAttempts: 2,
			DeadLetter: func(_ context.Context, d lease.Delivery, err error) error {
				var bad *codec.Error
				j.note("dead %s %v", d.Data, errors.As(err, &bad))
				return nil
			},
		}})
		<-time.After(time.Minute)
		j.isInAnyOrder(t, "0s [1 3 5] of 1 3 5", "1s [5] of 5(2)", "1s dead four true", "1s dead two true")
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestBatchesRefuseInvalidConfigs(t *testing.T) {
	q := mqtest.New(&mqtest.Config{Lease: time.Minute})
	defer q.Close()
	h := func(context.Context, []lease.Delivery) error { return nil }
	for _, c := range []struct {
		h   lease.BatchHandler
		cfg *lease.BatchConfig
	}{
		{nil, nil},
		{h, &lease.BatchConfig{MaxItems: -1}},
		{h, &lease.BatchConfig{MaxBytes: -1}},
		{h, &lease.BatchConfig{MaxAge: -1}},
		{h, &lease.BatchConfig{Config: lease.Config{Concurrency: -1}}},
	} {
		if err := lease.HandleBatches(t.Context(), q, c.h, c.cfg); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}
