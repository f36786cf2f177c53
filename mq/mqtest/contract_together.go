package mqtest

import (
	"context"
	"fmt"

	"ipcmq/mq"
)

// togetherPromises are those of calls for many messages.
var togetherPromises = []promise{
	{"ReceiveBatchTakesWhatIsThereUpToItsLimit", func(f *fixture) {
		for i := range 7 {
			f.send(f.message(fmt.Sprint(i)))
		}
		for next := 0; next < 7; {
			batch, err := mq.ReceiveBatch(f.patient(), f.q, 3)
			if err != nil || len(batch) < 1 || len(batch) > 3 {
				f.Fatalf("ReceiveBatch(3) gives %d messages, %v", len(batch), err)
			}
			for _, m := range batch {
				if string(m.Data) != fmt.Sprint(next) {
					f.Fatalf("message %d is %q", next, m.Data)
				}
				next++
			}
		}
		f.empty()
		_, err := mq.ReceiveBatch(f.patient(), f.q, 0)
		f.wants(err, mq.ErrInvalidConfig)
	}},

	{"CanceledBatchesTakeNothing", func(f *fixture) {
		ended, cancel := context.WithCancel(f.Context())
		cancel()
		f.send(f.message("x"))
		_, err := mq.ReceiveBatch(ended, f.q, 3)
		f.wants(err, context.Canceled)
		f.take(f.q)
		for round := range 5 * rounds {
			ctx, cancel := context.WithCancel(f.Context())
			p := f.start(ctx, "ReceiveBatch", func(ctx context.Context) error {
				_, err := mq.ReceiveBatch(ctx, f.q, 1+round%3)
				return err
			})
			p.awaitWaiting()
			go cancel()
			linger(round % 16)
			f.send(f.message("x"))
			if err := p.await(); err != nil {
				f.wants(err, context.Canceled)
				f.take(f.q)
			}
			f.empty()
		}
	}},

	{"AckBatchRemovesWhatItIsGiven", ifLends(func(f *fixture) {
		q := f.handle()
		r, ok := f.lending(q).(mq.BatchAcker)
		if !ok {
			return
		}
		for i := range 3 {
			f.send(f.message(fmt.Sprint(i)))
		}
		var leases []mq.Lease
		for len(leases) < 3 {
			leases = append(leases, f.lease(r))
		}
		for i, err := range r.AckBatch(f.patient(), leases[:2]) {
			if err != nil {
				f.Errorf("AckBatch, message %d: %v", i, err)
			}
		}
		if err := leases[2].Nak(f.patient(), 0); err != nil {
			f.Fatalf("Nak: %v", err)
		}
		f.sameAgain(leases[2], f.lease(r))
		q.Close()
		errs := r.AckBatch(f.patient(), leases[2:])
		if len(errs) != 1 {
			f.Fatalf("AckBatch of one message gives %d errors", len(errs))
		}
		f.wants(errs[0], mq.ErrClosed)
	})},
}
