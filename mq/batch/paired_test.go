package batch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/sysv"
)

// companion is in each frame of a paired queue, in addition to the message.
const companion = "\xff"

// A paired queue sends each message in a frame after a companion, which
// receivers drop and holders acknowledge. So the contract is tested with
// messages in frames of several.
type paired struct {
	*batch.Queue
	underlying interface {
		mq.Queue
		Remove() error
	}
}

func pair(m mq.Message) mq.Message {
	m.Data = batch.Frame([]byte(companion), m.Data)
	return m
}

func (q paired) Remove() error                                { return q.underlying.Remove() }
func (q paired) Send(ctx context.Context, m mq.Message) error { return q.underlying.Send(ctx, pair(m)) }
func (q paired) TrySend(m mq.Message) error                   { return q.underlying.TrySend(pair(m)) }

func (q paired) Capabilities() mq.Capabilities {
	can := q.Queue.Capabilities()
	can.MaxPayload -= len(batch.Frame([]byte(companion), make([]byte, 128))) - 128
	return can
}

func (q paired) Receive(ctx context.Context) (mq.Message, error) {
	return pairedReceiver{q.Queue}.Receive(ctx)
}
func (q paired) ReceiveInto(ctx context.Context, m *mq.Message) error {
	return pairedReceiver{q.Queue}.ReceiveInto(ctx, m)
}
func (q paired) TryReceive() (mq.Message, error)    { return pairedReceiver{q.Queue}.TryReceive() }
func (q paired) TryReceiveInto(m *mq.Message) error { return pairedReceiver{q.Queue}.TryReceiveInto(m) }

func (q paired) Select(s mq.Selector) (mq.Receiver, error) {
	r, err := q.Queue.Select(s)
	if err != nil {
		return nil, err
	}
	return pairedReceiver{r}, nil
}

func (q paired) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	r, err := q.Queue.SelectLeases(s)
	if err != nil {
		return nil, err
	}
	return pairedLeases{r}, nil
}

type pairedReceiver struct{ mq.Receiver }

func (r pairedReceiver) ReceiveInto(ctx context.Context, m *mq.Message) error {
	for {
		got := mq.Message{Data: m.Data[:0:0]}
		err := r.Receiver.ReceiveInto(ctx, &got)
		if err == nil && string(got.Data) == companion {
			err = r.TryReceiveInto(&got) // the message of that frame, unless another call has it
		}
		switch {
		case err == nil:
			*m = mq.Message{Type: got.Type, Priority: got.Priority, Data: append(m.Data[:0], got.Data...)}
			return nil
		case !errors.Is(err, mq.ErrEmpty):
			return err
		}
	}
}

func (r pairedReceiver) Receive(ctx context.Context) (m mq.Message, err error) {
	m.Data = []byte{}
	if err = r.ReceiveInto(ctx, &m); err != nil {
		return mq.Message{}, err
	}
	return m, nil
}

func (r pairedReceiver) TryReceiveInto(m *mq.Message) error {
	for {
		got, err := r.Receiver.TryReceive()
		if err != nil {
			return err
		}
		if string(got.Data) != companion {
			*m = mq.Message{Type: got.Type, Priority: got.Priority, Data: append(m.Data[:0], got.Data...)}
			return nil
		}
	}
}

func (r pairedReceiver) TryReceive() (m mq.Message, err error) {
	m.Data = []byte{}
	if err = r.TryReceiveInto(&m); err != nil {
		return mq.Message{}, err
	}
	return m, nil
}

type pairedLeases struct{ mq.LeaseReceiver }

func (r pairedLeases) Lease(ctx context.Context) (mq.Lease, error) {
	leases, err := r.LeaseBatch(ctx, 1)
	if err != nil {
		return nil, err
	}
	return leases[0], nil
}

// LeaseBatch takes all that is there, which a single underlying call need not.
func (r pairedLeases) LeaseBatch(ctx context.Context, n int) (real []mq.Lease, err error) {
	if n < 1 {
		return r.LeaseReceiver.LeaseBatch(ctx, n)
	}
	taken := false // a companion, so its message is here unless another call has it
	for len(real) < n {
		more := ctx
		if taken || len(real) > 0 {
			soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Millisecond)
			defer cancel()
			more = soon
		}
		leases, err := r.LeaseReceiver.LeaseBatch(more, n-len(real))
		switch {
		case err == nil:
		case len(real) > 0:
			return real, nil
		case taken && errors.Is(err, context.DeadlineExceeded):
			taken = false
			continue
		default:
			return nil, err
		}
		for _, l := range leases {
			taken = true
			if string(l.Message().Data) != companion {
				real = append(real, l)
			} else if err := l.Ack(context.WithoutCancel(ctx)); err != nil {
				return nil, err
			}
		}
	}
	return real, nil
}

// TestContractWithLeases tests the contract on a queue that lends, with single
// messages and with frames.
func TestContractWithLeases(t *testing.T) {
	lending := func(t *testing.T) *mqtest.Queue {
		q := mqtest.New(&mqtest.Config{Capacity: 1024, MaxMessage: 256, Lease: time.Second})
		t.Cleanup(func() { q.Close() })
		return q
	}
	t.Run("Alone", func(t *testing.T) {
		t.Parallel() // it waits most of the time
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
			first := lending(t)
			return func() mq.Queue {
				q := first.Open()
				return removable{start(t, q, nil), q.Remove}
			}
		})
	})
	t.Run("Frames", func(t *testing.T) {
		t.Parallel()
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
			first := lending(t)
			return func() mq.Queue {
				q := first.Open()
				return paired{start(t, q, nil), q}
			}
		})
	})
	t.Run("SysV", func(t *testing.T) {
		t.Parallel()
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue { return newKeyed(t, false) })
	})
	t.Run("FramesOfSysV", func(t *testing.T) {
		t.Parallel()
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue { return newKeyed(t, true) })
	})
}

// newKeyed returns a function that opens the same System V queue, which lends,
// each time. The queue is removed after the test.
func newKeyed(t *testing.T, pairs bool) func() mq.Queue {
	key, err := sysv.Ftok(t.TempDir(), 'b')
	if err != nil {
		t.Fatal(err)
	}
	open := func(cfg sysv.Config) *sysv.Queue {
		cfg.Capacity, cfg.Lease = 1024, time.Second
		q, err := sysv.Open(key, &cfg)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	first := open(sysv.Config{Exclusive: true})
	t.Cleanup(func() {
		first.Remove() // fails if the test has removed it
		first.Close()
	})
	return func() mq.Queue {
		q := open(sysv.Config{})
		if pairs {
			return paired{start(t, q, nil), q}
		}
		return removable{start(t, q, nil), q.Remove}
	}
}
