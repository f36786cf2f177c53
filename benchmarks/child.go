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
		return j.echo(ctx, l, there, back)
	case send:
		return j.send(ctx, l, there)
	case take:
		return j.take(ctx, l, there, nil, 0)
	case cancel:
		return j.cancel(ctx, there)
	case idle:
		return j.idle(there)
	}
	return report{}, errors.New("no such role")
}

// A sender sends numbered messages; the payload begins with the number.
type sender struct {
	to mqSender
	m  mq.Message
}

// mqSender is the part of mq.Sender that is needed here.
type mqSender interface {
	Send(context.Context, mq.Message) error
}

func (j job) sender(l layer, q mq.Queue) *sender {
	s := &sender{q, mq.Message{Type: 1, Data: make([]byte, j.Size)}}
	if l.sender != nil {
		s.to = l.sender(q)
	}
	return s
}

func (s *sender) put(ctx context.Context, i int) error {
	binary.NativeEndian.PutUint64(s.m.Data, uint64(i))
	return s.to.Send(ctx, s.m)
}

func (j job) ping(ctx context.Context, l layer, there, back mq.Queue) (report, error) {
	if l.ping != nil {
		return l.ping(ctx, j, there)
	}
	s := j.sender(l, there)
	if err := s.put(ctx, 0); err != nil {
		return report{}, err
	}
	return j.take(ctx, l, back, s, 1)
}

func (j job) echo(ctx context.Context, l layer, there, back mq.Queue) (report, error) {
	if l.echo != nil {
		return l.echo(ctx, j, there)
	}
	return j.take(ctx, l, there, j.sender(l, back), 0)
}

func (j job) send(ctx context.Context, l layer, q mq.Queue) (report, error) {
	meter, s := newMeter(j), j.sender(l, q)
	for i := range j.Warm + j.Count {
		if err := s.put(ctx, i); err != nil {
			return report{}, err
		}
		meter.count()
	}
	return meter.report, meter.err
}

// take receives all messages. When message i has come, it sends message
// i + ahead, if it has a sender. It is one loop for all, with few calls in it:
// after a system call the processor predicts no returns, and each costs some
// nanoseconds.
func (j job) take(ctx context.Context, l layer, q mq.Queue, s *sender, ahead int) (report, error) {
	meter, i, total := newMeter(j), 0, j.Warm+j.Count
	var failed error
	err := l.receive(ctx, q, func(data []byte) bool {
		if len(data) != j.Size || binary.NativeEndian.Uint64(data) != uint64(i) {
			failed = fmt.Errorf("message %d is not what was sent", i)
			return false
		}
		meter.count()
		if s != nil && i+ahead < total {
			failed = s.put(ctx, i+ahead)
		}
		i++
		return failed == nil && i < total
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
