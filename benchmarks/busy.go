package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
)

// keepBusy starts n processes that each keep a processor busy until stop is called.
func (b *bench) keepBusy(ctx context.Context, n int) (stop func(), err error) {
	var started []*exec.Cmd
	var inputs []io.Closer
	stop = func() {
		for i, cmd := range started {
			inputs[i].Close()
			_ = cmd.Wait() // only its end matters
		}
	}
	for range n {
		cmd, err := b.goCommand(ctx, job{Role: busy, Backend: systemV.name}, "")
		if err != nil {
			stop()
			return nil, err
		}
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			stop()
			return nil, err
		}
		started, inputs = append(started, cmd), append(inputs, in)
	}
	return stop, nil
}

// beBusy keeps a processor busy until standard input ends.
func beBusy() {
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
	}()
	for !over.Load() {
	}
	os.Exit(0)
}
