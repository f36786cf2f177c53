package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Figures are measurements without a C program to compare with.
type figures struct {
	Backend string

	Cancels              int           // receives canceled while they waited
	CancelP50, CancelP99 time.Duration // from the cancel to the return of Receive
	CancelMax            time.Duration

	Together    int           // receives that are canceled by one context
	TogetherP50 time.Duration // from the cancel to the return of the last

	Readers int           // streams of one process, on an empty queue
	Hold    time.Duration // how long they waited
	IdleCPU time.Duration // processor time of that process meanwhile
	NoneCPU time.Duration // and of a process without streams

	Memory []footprint
}

// figures measures the figures of a backend.
func (b *bench) figures(ctx context.Context, backend backend) (figures, error) {
	f := figures{Backend: backend.title, Cancels: 10_000, Together: 1000, Readers: 100, Hold: 5 * time.Second}
	if b.quick {
		f.Cancels, f.Hold = 50, 50*time.Millisecond
	}
	r, _, err := b.alone(ctx, backend, job{Role: cancel, Count: f.Cancels})
	if err != nil {
		return f, err
	}
	f.CancelP50, f.CancelP99, f.CancelMax = r.Cancels[len(r.Cancels)/2], r.Cancels[len(r.Cancels)*99/100], r.Cancels[len(r.Cancels)-1]
	times := 50
	if b.quick {
		times = 1
	}
	if r, _, err = b.alone(ctx, backend, job{Role: cancel, Count: times, Callers: f.Together}); err != nil {
		return f, err
	}
	f.TogetherP50 = r.Cancels[len(r.Cancels)/2]
	if r, _, err = b.alone(ctx, backend, job{Role: idle, Count: f.Readers, Hold: f.Hold}); err != nil {
		return f, err
	}
	f.IdleCPU = time.Duration(r.CPU)
	if r, _, err = b.alone(ctx, backend, job{Role: idle, Hold: f.Hold}); err != nil {
		return f, err
	}
	f.NoneCPU = time.Duration(r.CPU)
	f.Memory, err = b.memory(ctx, backend)
	return f, err
}

// alone runs one Go process.
func (b *bench) alone(ctx context.Context, backend backend, j job) (_ report, cpu time.Duration, err error) {
	j.Backend, j.Layer = backend.name, receive
	remove, err := j.makeQueues(backend, false)
	defer func() { err = errors.Join(err, remove()) }()
	if err != nil {
		return report{}, 0, err
	}
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
	defer stop()
	cmd, err := b.goCommand(ctx, j, "")
	if err != nil {
		return report{}, 0, err
	}
	return execute(ctx, cmd)
}
