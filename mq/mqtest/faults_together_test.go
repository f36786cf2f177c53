package mqtest_test

import (
	"context"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

func (f *faulty) ReceiveBatch(ctx context.Context, n int) ([]mq.Message, error) {
	if f.fault.batch != nil {
		return f.fault.batch(f.Queue, ctx, n)
	}
	return receiveBatch(f, ctx, n)
}

// receiveBatch takes up to n messages without a fault.
func receiveBatch(q mq.Receiver, ctx context.Context, n int) ([]mq.Message, error) {
	if n < 1 {
		return nil, &mq.Error{Op: "receive", Kind: mq.ErrInvalidConfig}
	}
	m, err := q.Receive(ctx)
	if err != nil {
		return nil, err
	}
	all := []mq.Message{m}
	for len(all) < n {
		if m, err = q.TryReceive(); err != nil {
			break
		}
		all = append(all, m)
	}
	return all, nil
}

func init() {
	faults = append(faults, []fault{
		{
			name: "a batch has too many messages", seenBy: []string{"ReceiveBatchTakesWhatIsThereUpToItsLimit"},
			batch: func(q *mqtest.Queue, ctx context.Context, n int) ([]mq.Message, error) {
				return receiveBatch(q, ctx, n+1)
			},
		}, {
			name: "a batch loses a message", seenBy: []string{"ReceiveBatchTakesWhatIsThereUpToItsLimit"},
			batch: func(q *mqtest.Queue, ctx context.Context, n int) ([]mq.Message, error) {
				all, err := receiveBatch(q, ctx, n)
				if len(all) > 1 {
					all = all[:len(all)-1]
				}
				return all, err
			},
		}, {
			name: "a batch of none is nothing", seenBy: []string{"ReceiveBatchTakesWhatIsThereUpToItsLimit"},
			batch: func(q *mqtest.Queue, ctx context.Context, n int) ([]mq.Message, error) {
				if n < 1 {
					return nil, nil
				}
				return receiveBatch(q, ctx, n)
			},
		}, {
			name: "a canceled batch takes a message", seenBy: []string{"CanceledBatchesTakeNothing"},
			batch: func(q *mqtest.Queue, ctx context.Context, n int) ([]mq.Message, error) {
				all, err := receiveBatch(q, ctx, n)
				if err != nil && ctx.Err() != nil {
					q.TryReceive()
				}
				return all, err
			},
		},
	}...)
	leaseFaults = append(leaseFaults, []leaseFault{
		{
			name: "AckBatch removes nothing", seenBy: []string{"AckBatchRemovesWhatItIsGiven"},
			acks: func(_ context.Context, leases []mq.Lease) []error { return make([]error, len(leases)) },
		}, {
			name: "AckBatch gives one error for all", seenBy: []string{"AckBatchRemovesWhatItIsGiven"},
			acks: func(ctx context.Context, leases []mq.Lease) []error {
				for _, l := range leases {
					if err := l.Ack(ctx); err != nil {
						return nil
					}
				}
				return nil
			},
		},
	}...)
}

func (r *faultyReceiver) AckBatch(ctx context.Context, leases []mq.Lease) (errs []error) {
	if r.q.fault.acks != nil {
		return r.q.fault.acks(ctx, leases)
	}
	for _, l := range leases {
		errs = append(errs, l.Ack(ctx))
	}
	return errs
}
