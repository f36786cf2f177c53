package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream/lease"
)

// lend passes the payloads of q to handle, in any order and one at a time, until handle
// returns false, and acknowledges each.
type lend func(ctx context.Context, q mq.Queue, handle func(data []byte) bool) error

// lendSysV is a layer on queues with keys, since only these lend.
func lendSysV(name string, receive lend) contender {
	return contender{name: name, kind: ours, lends: true, meet: meetKeyed, open: func(_ context.Context, j job) (end, error) {
		q, err := openSysV(j.There)
		if err != nil {
			return end{}, err
		}
		return end{sender: q, close: q.Close, receive: func(ctx context.Context, handle func([]byte) bool) error {
			return receive(ctx, q, handle)
		}}, nil
	}}
}

func meetKeyed(_ context.Context, _ *bench, j *job) (meeting, error) {
	for {
		var key [4]byte
		_, _ = rand.Read(key[:])
		q, err := sysv.Open(sysv.Key(binary.NativeEndian.Uint32(key[:])|1), &sysv.Config{Exclusive: true})
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return meeting{}, err
		}
		j.There = strconv.Itoa(q.ID())
		j.Back = j.There
		return meeting{remove: ends(q.Remove, q.Close)}, nil
	}
}

func lendAndAck(ctx context.Context, q mq.Queue, handle func([]byte) bool) error {
	leaser, ok := q.(mq.Leaser)
	if !ok {
		return fmt.Errorf("%T does not lend", q)
	}
	r, err := leaser.SelectLeases(mq.Any())
	if err != nil {
		return err
	}
	for {
		l, err := r.Lease(ctx)
		if err != nil {
			return err
		}
		more := handle(l.Message().Data)
		if err := l.Ack(ctx); err != nil || !more {
			return err
		}
	}
}

// lendHandle handles this many messages at once, which then come in any order: each
// must come once, and gets a new number.
func lendHandle(concurrency int) lend {
	return func(ctx context.Context, q mq.Queue, handle func([]byte) bool) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var (
			mu    sync.Mutex
			came  []bool // by number
			count uint64
			wrong error
		)
		err := lease.Handle(ctx, q, func(_ context.Context, d lease.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n := uint64(maxCount)
			if len(d.Data) >= numberSize {
				n = binary.NativeEndian.Uint64(d.Data)
			}
			for n < maxCount && uint64(len(came)) <= n {
				came = append(came, false)
			}
			if n >= maxCount || came[n] {
				wrong = fmt.Errorf("message %d came twice, or was never sent", n)
				cancel()
				return nil
			}
			came[n] = true
			binary.NativeEndian.PutUint64(d.Data, count)
			count++
			if !handle(d.Data) {
				cancel()
			}
			return nil
		}, &lease.Config{Concurrency: concurrency})
		return errors.Join(err, wrong)
	}
}

// maxCount is larger than the number of messages in any contest.
const maxCount = 1 << 20
