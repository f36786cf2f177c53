package mqtest

import (
	"context"
	"fmt"
	"sync"

	"ipcmq/mq"
)

// leaseBatchPromises are the promises about leases of several messages, and of
// several holders.
var leaseBatchPromises = []promise{
	{"LeaseBatchTakesWhatIsThereUpToItsLimit", ifLends(func(f *fixture) {
		for round := range rounds / 4 {
			f.timely(func(f *fixture) (mq.Lease, error) {
				r := f.lending(f.q)
				var leases []mq.Lease
				p := f.start(context.Background(), "LeaseBatch", func(ctx context.Context) (err error) {
					leases, err = r.LeaseBatch(ctx, 3)
					return err
				})
				p.awaitWaiting()
				linger(round)
				f.send(f.message("x"))
				if err := p.await(); err != nil {
					f.Fatal(err)
				}
				if len(leases) == 0 {
					f.Fatal("LeaseBatch gives no lease and no error")
				}
				for _, l := range leases {
					f.ack(l)
				}
				if len(leases) != 1 {
					return leases[0], fmt.Errorf("LeaseBatch of one message gives %d", len(leases))
				}
				return leases[0], nil
			})
		}
		f.timely(func(f *fixture) (first mq.Lease, err error) {
			r := f.lending(f.q)
			for i := range 5 {
				f.send(f.message(fmt.Sprint(i)))
			}
			i := 0
			for _, want := range []int{3, 2} {
				leases, err := r.LeaseBatch(f.patient(), 3)
				if err != nil || len(leases) == 0 {
					f.Fatalf("LeaseBatch(3) gives %d leases, %v; want %d", len(leases), err, want)
				}
				if first == nil {
					first = leases[0]
				}
				if len(leases) != want {
					return first, fmt.Errorf("LeaseBatch(3) gives %d leases; want %d", len(leases), want)
				}
				for _, l := range leases {
					if m := l.Message(); string(m.Data) != fmt.Sprint(i) || l.Attempt() != 1 {
						return first, fmt.Errorf("message %d is %q, attempt %d", i, m.Data, l.Attempt())
					}
					f.ack(l)
					i++
				}
			}
			f.empty()
			return first, nil
		})
	})},

	{"CanceledLeasesStrandNothing", ifLends(func(f *fixture) {
		r := f.lending(f.q)
		ended, cancel := context.WithCancel(f.Context())
		cancel()
		f.send(f.message("x"))
		_, err := r.Lease(ended)
		f.wants(err, context.Canceled)
		f.take(f.q)
		for round := range 5 * rounds {
			ctx, cancel := context.WithCancel(f.Context())
			p := f.start(ctx, "LeaseBatch", func(ctx context.Context) error {
				leases, err := r.LeaseBatch(ctx, 1+round%2)
				for _, l := range leases {
					f.ack(l)
				}
				return err
			})
			p.awaitWaiting()
			go cancel()
			linger(round % 16)
			f.send(f.message("x"))
			if err := p.await(); err != nil {
				f.wants(err, context.Canceled)
				f.take(f.q) // now, and not when a lease runs out
			}
			f.empty()
		}
	})},

	{"TheHolderOwnsItsSlice", ifLends(func(f *fixture) {
		f.send(f.message("first"))
		f.send(f.message("other"))
		leases, err := f.lending(f.q).LeaseBatch(f.patient(), 2)
		if err != nil || len(leases) != 2 {
			f.Fatalf("LeaseBatch(2) gives %d leases, %v", len(leases), err)
		}
		first, other := leases[0].Message(), leases[1].Message()
		_ = append(first.Data, "tail"...)
		if string(other.Data) != "other" {
			f.Errorf("got %q: the slices share memory", other.Data)
		}
		f.ack(leases[1])
		copy(first.Data, "spoil")
		if err := leases[0].Nak(f.patient(), 0); err != nil {
			f.Fatalf("Nak: %v", err)
		}
		again := f.lease(f.lending(f.q))
		if m := again.Message(); string(m.Data) != "first" {
			f.Errorf("a holder changed its slice, and %q was lent again", m.Data)
		}
		f.ack(again)
	})},

	{"ConcurrentHoldersLoseNothing", ifLends(func(f *fixture) {
		const senders, holders, each = 3, 3, 100
		ctx := f.patient()
		receiving, done := context.WithCancel(ctx)
		defer done()
		var (
			mu    sync.Mutex
			first = map[string]int{} // how often each message was lent as a first attempt
			acked = map[uint64]bool{}
		)
		sent, handled := make(chan error, senders), make(chan error, holders)
		for sender := range senders {
			q := f.handle()
			go func() {
				var err error
				for i := 0; i < each && err == nil; i++ {
					err = q.Send(ctx, f.message(fmt.Sprintf("message %d of sender %d", i, sender)))
				}
				sent <- err
			}()
		}
		for holder := range holders {
			r := f.lending(f.handle())
			go func() {
				for {
					leases, err := r.LeaseBatch(receiving, 1+holder)
					for i := 0; i < len(leases) && err == nil; i++ {
						l := leases[i]
						mu.Lock()
						if l.Attempt() == 1 {
							first[string(l.Message().Data)]++
						}
						mu.Unlock()
						if err = l.Ack(ctx); err == nil {
							mu.Lock()
							if acked[l.Sequence()] = true; len(acked) == senders*each {
								done()
							}
							mu.Unlock()
						}
					}
					if err != nil {
						if receiving.Err() != nil {
							err = nil
						}
						handled <- err
						return
					}
				}
			}()
		}
		f.join("senders", sent, senders)
		f.join("holders", handled, holders)
		if len(acked) != senders*each {
			f.Errorf("%d messages were sent, %d acknowledged", senders*each, len(acked))
		}
		for data, times := range first {
			if times != 1 {
				f.Errorf("%s was lent %d times as its first attempt", data, times)
			}
		}
		f.empty()
	})},
}
