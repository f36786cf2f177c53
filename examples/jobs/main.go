// Jobs lets several processes work on the jobs in one queue without losing any: one of
// them is killed in the middle of a job, which another one repeats, and a job that
// always fails ends up in a queue for dead letters.
//
//	go run ./examples/jobs
//
// That needs no server: while a message is being worked on, it is in shared memory that
// belongs to the queue. It lasts as long as the queue: until the system restarts, or the
// container with its IPC namespace ends. Delayed jobs and unique jobs are not supported. A
// job can be done twice if a worker is killed between its last action and the
// acknowledgement: here the results name their job, so that none is counted twice.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream/lease"
)

const (
	workers  = 3
	jobs     = 200      // the numbers 1 to 200
	poison   = "two pi" // and one that is not a number
	fatal    = jobs / 2 // its worker is killed while working on it
	attempts = 3        // until a job is a dead letter
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	run := parent
	if os.Getenv(envWorker) != "" {
		run = worker
	}
	err := run(ctx)
	stop()
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "jobs:", err)
		os.Exit(1)
	}
}

// create creates a queue. Only a queue with a key can lend its messages, because other
// processes must find the memory for that. Your own programs will agree on keys.
func create() (*sysv.Queue, error) {
	for {
		q, err := sysv.Open(sysv.Key(1+rand.Uint32N(1<<31)), &sysv.Config{Exclusive: true})
		if !errors.Is(err, fs.ErrExist) {
			return q, err
		}
	}
}

// The parent sends the jobs, kills a worker, and adds up the results.
func parent(ctx context.Context) (err error) {
	var queues [3]*sysv.Queue // jobs, results, dead letters
	for i := range queues {
		if queues[i], err = create(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, queues[i].Remove(), queues[i].Close()) }()
	}
	todo, results, dead := queues[0], queues[1], queues[2]
	ready, err := results.Select(mq.Type(atWork))
	if err != nil {
		return err
	}
	crew := &crew{todo: todo.ID(), results: results.ID(), dead: dead.ID(), ready: ready}
	defer func() { err = errors.Join(err, crew.dismiss()) }()
	for range workers {
		if err := crew.hire(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("parent: %d workers have %d jobs, and one that nobody can do\n", workers, jobs)
	sending := make(chan error, 1)
	go func() { sending <- send(ctx, todo) }()

	done := map[uint64]result{} // by the number of its job
	sum, twice := 0, 0
	for len(done) < jobs {
		m, err := results.Receive(ctx)
		if err != nil {
			return err
		}
		r, err := parseResult(m)
		if err != nil {
			return err
		}
		if m.Type == begun {
			fmt.Printf("parent: kills a worker in the middle of job %d, and hires another\n", r.number)
			if err := errors.Join(crew.kill(r.worker), crew.hire(ctx)); err != nil {
				return err
			}
			continue
		}
		if _, ok := done[r.sequence]; ok {
			twice++
			continue
		}
		done[r.sequence] = r
		sum += r.number
		if r.number == fatal {
			fmt.Printf("parent: job %d is done, at attempt %d\n", r.number, r.attempt)
		}
	}
	fmt.Printf("parent: %d jobs are done, their numbers add up to %d, and %d results came twice\n", len(done), sum, twice)
	m, err := dead.Receive(ctx)
	if err != nil {
		return err
	}
	letter, err := lease.ParseDeadLetter(m)
	if err != nil {
		return err
	}
	fmt.Printf("parent: %q is a dead letter after %d attempts: %s\n", letter.Data, letter.Attempt, letter.Reason)
	return <-sending
}

// send sends the jobs, including the one that is not a number.
func send(ctx context.Context, q *sysv.Queue) error {
	for i := range jobs {
		if i == jobs/4 {
			if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte(poison)}); err != nil {
				return err
			}
		}
		if err := q.Send(ctx, mq.Message{Type: 1, Data: strconv.AppendInt(nil, int64(i+1), 10)}); err != nil {
			return err
		}
	}
	return nil
}
