package batch_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/mqtest"
)

// TestLeasesUnderChurn has senders of frames, and holders that acknowledge,
// give back, extend, let run out and are canceled, in a queue that is sometimes
// full. Every message is acknowledged exactly once, or, if handles are closed
// at any moment, at least once. There are few rounds, because with the race
// detector very many bubbles crash a process (go.dev/issue/78156).
func TestLeasesUnderChurn(t *testing.T) {
	for _, c := range []struct {
		name   string
		closes bool
	}{{"", false}, {"Closes", true}} {
		t.Run("Holders"+c.name, func(t *testing.T) {
			for seed := range uint64(3) {
				synctest.Test(t, func(t *testing.T) { churn(t, seed, c.closes) })
			}
		})
	}
}

func churn(t *testing.T, seed uint64, closes bool) {
	const senders, holders, each = 3, 4, 300
	q := mqtest.New(&mqtest.Config{Capacity: 4096, MaxMessage: 512, Lease: leaseTime})
	defer q.Close()
	var (
		mu    sync.Mutex
		acked = make([]int, senders*each)
		total int
		wg    sync.WaitGroup
	)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	note := func(l mq.Lease) {
		mu.Lock()
		defer mu.Unlock()
		n := binary.LittleEndian.Uint32(l.Message().Data)
		if acked[n]++; acked[n] == 1 {
			if total++; total == senders*each {
				stop()
			}
		}
	}
	for s := range senders {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(s)))
			b, err := batch.New(q.Open(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close()
			for i := range each {
				m := mq.Message{Type: int64(1 + random.IntN(3)), Data: make([]byte, 4+random.IntN(16))}
				binary.LittleEndian.PutUint32(m.Data, uint32(s*each+i))
				err := b.Add(t.Context(), m)
				if random.IntN(20) == 0 {
					err = errors.Join(err, b.Flush(t.Context()))
				}
				if err != nil {
					t.Error(err)
				}
			}
			if err := b.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	shared, err := batch.New(q.Open(), nil) // used by half of the holders
	if err != nil {
		t.Fatal(err)
	}
	for h := range holders {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(10+h)))
			for ctx.Err() == nil {
				b := shared
				if h%2 == 0 {
					var err error
					if b, err = batch.New(q.Open(), nil); err != nil {
						t.Error(err)
						return
					}
				}
				turns := 1 << 30
				if closes && h%2 == 0 {
					turns = random.IntN(10)
				}
				hold(t, ctx, b, random, turns, note)
				if h%2 == 0 {
					b.Close()
				}
			}
		})
	}
	wg.Wait()
	shared.Close()
	for n, times := range acked {
		if times == 0 || times > 1 && !closes {
			t.Errorf("seed %d: message %d was acknowledged %d times", seed, n, times)
		}
	}
	rest := time.Now().Add(10 * leaseTime)
	for q.Stat().Messages+q.Stat().Leased > 0 && time.Now().Before(rest) {
		if !closes {
			t.Fatalf("seed %d: the queue has %+v", seed, q.Stat())
		}
		hold(t, t.Context(), start(t, q.Open(), nil), rand.New(rand.NewPCG(seed, 99)), 20, note)
	}
}

// hold takes and settles leases the given number of times, or until ctx ends.
func hold(t *testing.T, ctx context.Context, b *batch.Queue, random *rand.Rand, turns int, note func(mq.Lease)) {
	selectors := []mq.Selector{mq.Any(), mq.Any(), mq.Type(1), mq.UpTo(2), mq.Except(3)}
	for turn := 0; turn < turns && ctx.Err() == nil; turn++ {
		r, err := b.SelectLeases(selectors[random.IntN(len(selectors))])
		if err != nil {
			t.Error(err)
			return
		}
		waiting, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(3000))*time.Millisecond)
		leases, err := r.LeaseBatch(waiting, 1+random.IntN(8))
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for _, l := range leases {
			switch random.IntN(12) {
			case 0:
				err = l.Nak(t.Context(), 0)
			case 1:
				err = l.Nak(t.Context(), time.Duration(random.IntN(30000))*time.Millisecond)
			case 2: // the lease runs out
			case 3:
				<-time.After(time.Duration(random.IntN(4000)) * time.Millisecond)
				err = l.Extend(t.Context())
				fallthrough
			default:
				if time.Until(l.Deadline()) <= 0 {
					continue
				}
				if err = errors.Join(err, l.Ack(t.Context())); err == nil {
					note(l)
				}
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
}
