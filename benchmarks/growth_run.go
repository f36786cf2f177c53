package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"ipcmq/mq"
)

// An act is what a process of a curve does with the messages.
type act string

// The acts; c/growth.c has the first six too, and echoes by threads.
const (
	actPing    act = "ping"    // send, receive the answer, and again
	actCall    act = "call"    // the same by several callers at once, each call timed
	actEcho    act = "echo"    // answer every message, by several threads or goroutines
	actSend    act = "send"    // one way
	actReceive act = "receive" // one way
	actGather  act = "gather"  // receive from several processes, until the last or an empty message
	actTypes   act = "types"   // receive through a subscription to each type
	actServe   act = "serve"   // answer requests
	actHold    act = "hold"    // only wait, to measure the memory
)

// A task describes what a process of a curve must do.
type task struct {
	Act         act
	Backend     string
	By          string // ReceiveInto or channel
	There, Back string // addresses of queues
	Size        int    // bytes of payload
	Warm, Count int    // messages before the timed ones, and timed messages
	From        int    // the number of this sender
	Types       int    // messages have the types 1 to Types in turn
	Threads     int    // or goroutines, that do it together
	Own         bool   // each of them receives its own type, the first one type 1
	Holder      string // whose memory is measured
}

func (t task) withAct(a act) task {
	t.Act = a
	return t
}

// A tally is printed by a process of a curve. C programs print the first three.
type tally struct {
	NS      int64 // nanoseconds for Count messages
	P50     int64 // nanoseconds for a call
	Taken   int64 // messages, by actGather
	Threads int   // of the process
	Bytes   int64 // of memory

	perMessage float64 // nanoseconds
}

// A worker is one process of a curve.
type worker struct {
	task
	inC   bool
	spins bool // in C: polls while it waits
	ends  int  // empty messages to send when it has ended
}

// work does the work of a line once, with new queues. The processes begin together,
// when all are ready.
func (b *bench) work(ctx context.Context, l line, x int, t task) (_ tally, err error) {
	for _, address := range []*string{&t.There, &t.Back} {
		var remove func() error
		if *address, remove, err = l.backend.create(); err != nil {
			return tally{}, err
		}
		defer func() { err = errors.Join(err, remove()) }()
	}
	t.Backend = l.backend.name
	workers := l.workers(x, t)
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
	defer stop()
	q, err := l.backend.open(t.There)
	if err != nil {
		return tally{}, err
	}
	defer q.Close()
	if l.backlog != nil {
		for range l.backlog(x) {
			if err := q.TrySend(mq.Message{Type: 2}); err != nil {
				return tally{}, err
			}
		}
	}

	group, ctx := errgroup.WithContext(ctx)
	ready, begin := make(chan struct{}, len(workers)), make(chan struct{})
	tallies := make([]tally, len(workers))
	for i, w := range workers {
		group.Go(func() (err error) {
			if tallies[i], err = b.perform(ctx, l.backend, w, ready, begin); err != nil {
				return err
			}
			for range w.ends {
				if err := q.Send(ctx, mq.Message{Type: 1}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		for range workers {
			select {
			case <-ready:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		close(begin)
		return nil
	})
	if err := group.Wait(); err != nil {
		return tally{}, err
	}
	return sum(workers, tallies)
}

// sum returns the tally of the first worker, with the maximum of all thread counts, if
// everything sent was received.
func sum(workers []worker, tallies []tally) (tally, error) {
	all, sent, taken, gathers := tallies[0], 0, 0, false
	for i, w := range workers {
		all.Threads = max(all.Threads, tallies[i].Threads)
		switch w.Act {
		case actSend:
			sent += w.Warm + w.Count
		case actGather:
			gathers, taken = true, taken+int(tallies[i].Taken)
		}
	}
	if gathers && sent != taken {
		return tally{}, fmt.Errorf("%d messages were sent and %d received", sent, taken)
	}
	all.perMessage = float64(all.NS) / float64(workers[0].Count)
	return all, nil
}

// perform runs one process. It reports when the process is ready, and starts its work
// when begin is closed.
func (b *bench) perform(ctx context.Context, k backend, w worker, ready chan<- struct{}, begin <-chan struct{}) (tally, error) {
	cmd := b.command(ctx, k, w)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return tally{}, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return tally{}, err
	}
	if err := cmd.Start(); err != nil {
		return tally{}, err
	}
	var out []byte
	if _, err = io.ReadFull(stdout, make([]byte, 1)); err == nil {
		ready <- struct{}{}
		select {
		case <-begin:
		case <-ctx.Done():
		}
		stdin.Close()
		out, err = io.ReadAll(stdout)
	}
	if err := errors.Join(cmd.Wait(), err); err != nil {
		return tally{}, fmt.Errorf("%s: %w\n%s", w.Act, cmp.Or(context.Cause(ctx), err), stderr.Bytes())
	}
	var t tally
	if err := json.Unmarshal(out, &t); err != nil {
		return tally{}, fmt.Errorf("%s printed %q: %w", w.Act, out, err)
	}
	return t, nil
}

// command returns the command that does the work of w.
func (b *bench) command(ctx context.Context, k backend, w worker) *exec.Cmd {
	var cmd *exec.Cmd
	if w.inC {
		waits, which := "sleep", "any"
		if w.spins {
			waits = "spin"
		}
		if w.Own {
			which = "own"
		}
		cmd = exec.CommandContext(ctx, filepath.Join(b.programs, growthProgram(k.program)), string(w.Act), waits, w.There, w.Back,
			strconv.Itoa(w.Size), strconv.Itoa(w.Warm), strconv.Itoa(w.Count),
			strconv.Itoa(w.From), strconv.Itoa(w.Types), strconv.Itoa(w.Threads), which)
	} else {
		arg, err := json.Marshal(w.task)
		if err != nil {
			panic(err) // a task holds strings and numbers
		}
		cmd = exec.CommandContext(ctx, b.exe, taskArg, string(arg))
	}
	cmd.WaitDelay = time.Second
	return cmd
}
