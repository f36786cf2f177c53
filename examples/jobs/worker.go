package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream/lease"
)

const envWorker = "JOBS_WORKER" // number of the worker, ids of its queues

// Types of a worker's reports: it is ready, it has begun the fatal job, or it has
// finished a job.
const atWork, begun, finished = 1, 2, 3

// A result is the result of one job.
type result struct {
	worker   int
	sequence uint64 // of the job, the same in every attempt
	attempt  int
	number   int
}

func (r result) message(t int64) mq.Message {
	return mq.Message{Type: t, Data: fmt.Appendln(nil, r.worker, r.sequence, r.attempt, r.number)}
}

func parseResult(m mq.Message) (r result, err error) {
	_, err = fmt.Sscan(string(m.Data), &r.worker, &r.sequence, &r.attempt, &r.number)
	return r, err
}

// A worker does jobs until it must stop. Then it takes no more, finishes its current
// job, and acknowledges it.
func worker(ctx context.Context) error {
	var me int
	var ids [3]int
	if _, err := fmt.Sscan(os.Getenv(envWorker), &me, &ids[0], &ids[1], &ids[2]); err != nil {
		return err
	}
	var queues [3]*sysv.Queue
	for i := range queues {
		q, err := sysv.OpenID(ids[i], nil)
		if err != nil {
			return err
		}
		defer q.Close()
		queues[i] = q
	}
	todo, results, dead := queues[0], queues[1], queues[2]
	if err := results.Send(ctx, result{worker: me}.message(atWork)); err != nil {
		return err
	}
	return lease.Handle(ctx, todo, func(ctx context.Context, d lease.Delivery) error {
		number, err := strconv.Atoi(string(d.Data))
		if err != nil {
			return err // the job is given back and tried again
		}
		r := result{me, d.Sequence, d.Attempt, number}
		if number == fatal && d.Attempt == 1 {
			if err := results.Send(ctx, r.message(begun)); err != nil {
				return err
			}
			<-ctx.Done() // the worker is killed here
			return ctx.Err()
		}
		time.Sleep(time.Millisecond) // the work
		return results.Send(ctx, r.message(finished))
	}, &lease.Config{
		Drain:       5 * time.Second,
		MaxAttempts: attempts,
		RetryDelay:  func(int, error) time.Duration { return 10 * time.Millisecond },
		DeadLetter:  lease.ToQueue(dead),
	})
}

// A crew holds the workers that the parent has started.
type crew struct {
	todo, results, dead int         // ids of their queues
	ready               mq.Receiver // of reports that a worker is ready
	hired               []*exec.Cmd
}

// hire starts this program again, as a worker, and returns when it is ready: an
// earlier SIGTERM would simply end it.
func (c *crew) hire(ctx context.Context) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d %d", envWorker, len(c.hired), c.todo, c.results, c.dead))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	c.hired = append(c.hired, cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	_, err = c.ready.Receive(ctx)
	return err
}

// kill kills a worker, as a crash or the OOM killer would.
func (c *crew) kill(number int) error {
	cmd := c.hired[number]
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	cmd.Wait()
	return nil
}

// dismiss makes the workers stop, and waits for those that were not killed.
func (c *crew) dismiss() (err error) {
	for _, cmd := range c.hired {
		if cmd.Process != nil && cmd.ProcessState == nil {
			err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
		}
	}
	return err
}
