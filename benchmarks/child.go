package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"ipcmq/mq"
	"ipcmq/stream"
)

// childArg as the first argument makes this program one process of a benchmark;
// the second is a job.
const childArg = "child"

// A role is what one process does with the messages.
type role string

// The roles; c/bench.c has the first four too.
const (
	ping   role = "ping"    // send, receive the answer, and again
	echo   role = "echo"    // answer every message
	send   role = "send"    // one way
	take   role = "receive" // one way
	cancel role = "cancel"  // receive nothing, and be canceled
	idle   role = "idle"    // receive nothing
)

// A job is what a process is told to do.
type job struct {
	Role        role
	Backend     string
	Layer       string
	There, Back string        // addresses of queues; may be the same
	Size        int           // bytes of payload
	Warm, Count int           // messages before those that are timed, and those
	Hold        time.Duration // how long to idle
	Profile     string        // file for a CPU profile; or empty
}

// A report is what a process prints. C programs print NS only.
type report struct {
	NS      int64           // nanoseconds for Count messages
	Mallocs uint64          // allocations meanwhile
	Cancels []time.Duration `json:",omitempty"` // what each took, sorted
}

// runChild does the job given as JSON and prints the report.
func runChild(arg string) error {
	var j job
	if err := json.Unmarshal([]byte(arg), &j); err != nil {
		return err
	}
	r, err := j.run(context.Background())
	if err != nil {
		return fmt.Errorf("%s: %w", j.Role, err)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (j job) run(ctx context.Context) (report, error) {
	b, ok := backendNamed(j.Backend)
	if !ok {
		return report{}, fmt.Errorf("no backend %q", j.Backend)
	}
	l, ok := b.layerNamed(j.Layer)
	if !ok {
		return report{}, fmt.Errorf("no layer %q", j.Layer)
	}
	there, err := b.open(j.There)
	if err != nil {
		return report{}, err
	}
	defer there.Close()
	back, err := b.open(j.Back)
	if err != nil {
		return report{}, err
	}
	defer back.Close()
	switch j.Role {
	case ping:
		return j.ping(ctx, l, there, back)
	case echo:
		return j.take(ctx, l, there, l.sender(ctx, back))
	case send:
		return j.send(l.sender(ctx, there))
	case take:
		return j.take(ctx, l, there, func(mq.Message) error { return nil })
	case cancel:
		return j.cancel(ctx, there)
	case idle:
		return j.idle(there)
	}
	return report{}, errors.New("no such role")
}

func (l layer) sender(ctx context.Context, q mq.Queue) func(mq.Message) error {
	if l.send == nil {
		return func(m mq.Message) error { return q.Send(ctx, m) }
	}
	return func(m mq.Message) error { return l.send(ctx, q, m) }
}

func (j job) message() mq.Message { return mq.Message{Type: 1, Data: make([]byte, j.Size)} }

// putNumber makes m message i: every payload begins with its number.
func putNumber(m mq.Message, i int) { binary.NativeEndian.PutUint64(m.Data, uint64(i)) }

// checkNumber returns an error if m is not message i.
func (j job) checkNumber(m mq.Message, i int) error {
	if len(m.Data) != j.Size || binary.NativeEndian.Uint64(m.Data) != uint64(i) {
		return fmt.Errorf("message %d is not what was sent", i)
	}
	return nil
}

func (j job) ping(ctx context.Context, l layer, there, back mq.Queue) (report, error) {
	put, m := l.sender(ctx, there), j.message()
	putNumber(m, 0)
	if err := put(m); err != nil {
		return report{}, err
	}
	next := 1
	return j.take(ctx, l, back, func(mq.Message) error {
		if next == j.Warm+j.Count {
			return nil
		}
		putNumber(m, next)
		next++
		return put(m)
	})
}

func (j job) send(put func(mq.Message) error) (report, error) {
	meter, m := newMeter(j), j.message()
	for i := range j.Warm + j.Count {
		putNumber(m, i)
		if err := put(m); err != nil {
			return report{}, err
		}
		meter.count()
	}
	return meter.report, meter.err
}

// take receives all messages and gives each to handle.
func (j job) take(ctx context.Context, l layer, q mq.Queue, handle func(mq.Message) error) (report, error) {
	meter, i := newMeter(j), 0
	var failed error
	err := l.receive(ctx, q, func(m mq.Message) bool {
		if failed = j.checkNumber(m, i); failed != nil {
			return false
		}
		i++
		meter.count()
		failed = handle(m)
		return failed == nil && i < j.Warm+j.Count
	})
	return meter.report, errors.Join(err, failed, meter.err)
}

// cancel cancels receives that wait, and measures from the cancel to the return
// of the receive.
func (j job) cancel(ctx context.Context, q mq.Queue) (report, error) {
	type ended struct {
		at  time.Time
		err error
	}
	waits, ends := make(chan context.Context), make(chan ended)
	go func() {
		for ctx := range waits {
			_, err := q.Receive(ctx)
			ends <- ended{time.Now(), err}
		}
	}()
	defer close(waits)
	r := report{Cancels: make([]time.Duration, j.Count)}
	for i := range r.Cancels {
		ctx, stop := context.WithCancel(ctx)
		waits <- ctx
		// Long enough to fall asleep, and never in step with anything.
		time.Sleep(200*time.Microsecond + time.Duration(i%97)*time.Microsecond)
		began := time.Now()
		stop()
		end := <-ends
		if !errors.Is(end.err, context.Canceled) {
			return report{}, fmt.Errorf("canceled receive returned %w", end.err)
		}
		r.Cancels[i] = end.at.Sub(began)
	}
	slices.Sort(r.Cancels)
	return r, nil
}

// idle lets Count streams wait for messages that do not come.
func (j job) idle(q mq.Queue) (report, error) {
	for range j.Count {
		s, err := stream.New(q, nil)
		if err != nil {
			return report{}, err
		}
		defer s.Close()
	}
	time.Sleep(j.Hold)
	return report{}, nil
}
