// Workers lets several processes compete for the jobs in one queue. One of them is
// stopped in the middle, without losing a job.
//
//	go run ./examples/workers
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream"
)

const (
	workers = 3
	jobs    = 300
)

const envWorker = "WORKERS_WORKER" // number of the worker, ids of its queues

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	// Ctrl-C reaches both the parent and its workers.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	run := parent
	if os.Getenv(envWorker) != "" {
		run = worker
	}
	err := run(ctx)
	stop()
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "workers:", err)
		os.Exit(1)
	}
}

// The parent sends the jobs and counts the results.
func parent(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	// Two queues: jobs that fill a single queue would leave no room for results.
	todo, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, todo.Remove(), todo.Close()) }()
	done, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done.Remove(), done.Close()) }()

	var crew [workers]*exec.Cmd
	for i := range crew {
		if crew[i], err = hire(i+1, todo.ID(), done.ID()); err != nil {
			return err
		}
	}
	for range crew { // each reports that it is ready
		if _, err := done.Receive(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("parent: %d workers compete for %d jobs\n", workers, jobs)
	go func() {
		for i := range jobs {
			job := mq.Message{Type: 1, Data: []byte(strconv.Itoa(i))}
			if err := todo.Send(ctx, job); err != nil {
				cancel(err)
				return
			}
		}
	}()

	results, different := 0, make(map[string]bool)
	for m, err := range mq.All(ctx, done) {
		if err != nil {
			return err
		}
		different[string(m.Data)] = true
		results++
		if results == jobs/3 {
			fmt.Println("parent: worker 1 has to stop")
			if err := crew[0].Process.Signal(syscall.SIGTERM); err != nil {
				return err
			}
		}
		if results == jobs {
			break
		}
	}
	fmt.Printf("parent: %d results of %d different jobs\n", results, len(different))

	for i, cmd := range crew {
		if i > 0 {
			err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM))
		}
		err = errors.Join(err, cmd.Wait())
	}
	return err
}

// hire starts this program again, as a worker.
func hire(number, todo, done int) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d", envWorker, number, todo, done))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd, cmd.Start()
}

// A worker takes jobs until ctx ends.
func worker(ctx context.Context) error {
	var number int64
	var todoID, doneID int
	if _, err := fmt.Sscan(os.Getenv(envWorker), &number, &todoID, &doneID); err != nil {
		return err
	}
	todo, err := sysv.OpenID(todoID, nil)
	if err != nil {
		return err
	}
	defer todo.Close()
	done, err := sysv.OpenID(doneID, nil)
	if err != nil {
		return err
	}
	defer done.Close()

	// With a small buffer, jobs wait in the queue, where any worker can take them.
	s, err := stream.New(todo, &stream.Config{Buffer: 1})
	if err != nil {
		return err
	}
	defer s.Close()

	// When ctx ends, take no more jobs; the range ends after those taken.
	context.AfterFunc(ctx, func() { s.Shutdown(context.Background()) })

	// Taken jobs must be finished, so not with ctx, which may have ended.
	finish := context.Background()
	if err := done.Send(finish, mq.Message{Type: number}); err != nil { // ready
		return err
	}
	n := 0
	for job := range s.Messages() {
		time.Sleep(time.Millisecond) // the work
		if err := done.Send(finish, mq.Message{Type: number, Data: job.Data}); err != nil {
			return err
		}
		n++
	}
	fmt.Printf("worker %d: stopped after %d jobs\n", number, n)
	return s.Err()
}
