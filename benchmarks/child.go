package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"ipcmq/mq"
	"ipcmq/stream"
)

// childArg as the first argument makes this program a process of a benchmark; the
// second argument is a job.
const childArg = "child"

// A role is what a process does with the messages.
type role string

// The roles; c/bench.c has the first four too.
const (
	ping   role = "ping"    // send, receive the answer, and again
	echo   role = "echo"    // answer every message
	send   role = "send"    // one way
	take   role = "receive" // one way
	ask    role = "ask"     // send requests, wait for their replies
	serve  role = "serve"   // answer requests
	cancel role = "cancel"  // receive nothing, and be canceled
	idle   role = "idle"    // receive nothing
	busy   role = "busy"    // keep a processor busy until standard input ends
)

// A job describes what a process must do.
type job struct {
	Role        role
	Backend     string
	Layer       string        // the contender
	There, Back string        // addresses; may be the same
	Size        int           // bytes of payload
	Warm, Count int           // messages before the timed ones, and timed messages
	Callers     int           // goroutines that send requests at once, 0 means 1; or that are canceled at once
	Hold        time.Duration // how long to idle
	Pause       time.Duration // before each message sent
	Trial       string        // what is tried
	Profile     string        // file for a CPU profile, or empty
}

// A report is printed by a process. C programs print only NS and CPU.
type report struct {
	NS      int64           // nanoseconds for Count messages
	CPU     int64           // nanoseconds of processor time meanwhile
	Mallocs uint64          // allocations meanwhile
	Cancels []time.Duration `json:",omitempty"` // what each took, sorted

	Version, Found string `json:",omitempty"` // of a trial
	Passed         bool   `json:",omitempty"`
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
	switch j.Role {
	case try:
		return j.try()
	case busy:
		beBusy()
	case cancel, idle:
		q, err := b.open(j.There)
		if err != nil {
			return report{}, err
		}
		defer q.Close()
		switch {
		case j.Role == idle:
		case j.Callers > 0:
			return j.cancelTogether(ctx, q)
		default:
			return j.cancel(ctx, q)
		}
		return j.idle(q)
	}
	c, ok := b.contenderNamed(j.Layer)
	if !ok {
		return report{}, fmt.Errorf("no contender %q", j.Layer)
	}
	e, err := c.open(ctx, j)
	if err != nil {
		return report{}, err
	}
	r, err := j.work(ctx, e)
	if e.close != nil {
		err = errors.Join(err, e.close())
	}
	return r, err
}

// work does the job at an end.
func (j job) work(ctx context.Context, e end) (report, error) {
	switch j.Role {
	case ping:
		s := j.sender(e)
		if err := s.put(ctx, 0); err != nil {
			return report{}, err
		}
		return j.take(ctx, e, s, 1)
	case echo:
		return j.take(ctx, e, j.sender(e), 0)
	case send:
		return j.send(ctx, e)
	case take:
		return j.take(ctx, e, nil, 0)
	case ask:
		return j.ask(ctx, e)
	case serve:
		return j.serve(ctx, e)
	}
	return report{}, errors.New("no such role")
}

// A sender sends numbered messages; the payload begins with the number.
type sender struct {
	to mqSender
	m  mq.Message
}

func (j job) sender(e end) *sender { return &sender{e.sender, mq.Message{Type: 1, Data: j.payload()}} }

func (s *sender) put(ctx context.Context, i int) error {
	binary.NativeEndian.PutUint64(s.m.Data, uint64(i))
	return s.to.Send(ctx, s.m)
}

// payload returns a payload without its number. C programs fill theirs with the same
// bytes.
func (j job) payload() []byte {
	data := make([]byte, j.Size)
	for i := numberSize; i < len(data); i++ {
		data[i] = byte(7*i + 1)
	}
	return data
}

// numberSize is the bytes of the number at the start of a payload.
const numberSize = 8

func (j job) send(ctx context.Context, e end) (report, error) {
	meter, s := newMeter(j), j.sender(e)
	next := time.Now()
	for i := range j.Warm + j.Count {
		if j.Pause > 0 {
			next = next.Add(j.Pause)
			time.Sleep(time.Until(next))
		}
		if err := s.put(ctx, i); err != nil {
			return report{}, err
		}
		meter.count()
	}
	if e.flush != nil {
		return meter.report, errors.Join(meter.err, e.flush(ctx))
	}
	return meter.report, meter.err
}

// take receives all messages. After message i it sends message i + ahead, if it has a
// sender. It is a single loop with few calls: after a system call the processor cannot
// predict returns, which cost some nanoseconds each. During the warm-up it compares
// every byte.
func (j job) take(ctx context.Context, e end, s *sender, ahead int) (report, error) {
	if e.receive == nil {
		return report{}, fmt.Errorf("%s receives no messages", j.Layer)
	}
	meter, i, total, want := newMeter(j), 0, j.Warm+j.Count, j.payload()
	var failed error
	err := e.receive(ctx, func(data []byte) bool {
		if len(data) != j.Size || binary.NativeEndian.Uint64(data) != uint64(i) ||
			i < j.Warm && !bytes.Equal(data[numberSize:], want[numberSize:]) {
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

// idle lets Count streams wait for messages that never come.
func (j job) idle(q mq.Queue) (report, error) {
	for range j.Count {
		s, err := stream.New(q, nil)
		if err != nil {
			return report{}, err
		}
		defer s.Close()
	}
	time.Sleep(j.Hold / 10) // until they wait
	start := processorTime()
	time.Sleep(j.Hold)
	return report{CPU: (processorTime() - start).Nanoseconds()}, nil
}
