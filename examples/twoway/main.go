// Twoway lets two processes talk and listen at the same time through one queue: type
// 100 goes one way, type 200 goes back.
//
//	go run ./examples/twoway
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream"
)

const messages = 3 // that each side sends

const envSide = "TWOWAY_SIDE" // set in the second process

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	run := first
	if os.Getenv(envSide) != "" {
		run = second
	}
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "twoway:", err)
		os.Exit(1)
	}
}

func first(ctx context.Context) error {
	q, exe, err := open()
	if err != nil {
		return err
	}
	defer q.Close()

	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), envSide+"=second")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return errors.Join(err, q.Remove())
	}
	err = talk(ctx, q, "first", 100, 200)
	return errors.Join(err, cmd.Wait(), q.Remove())
}

func second(ctx context.Context) error {
	q, _, err := open()
	if err != nil {
		return err
	}
	defer q.Close()
	return talk(ctx, q, "second", 200, 100)
}

// open opens the queue, or creates it if it does not exist. Both sides get the same key,
// because they run the same file.
func open() (*sysv.Queue, string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	key, err := sysv.Ftok(exe, 't')
	if err != nil {
		return nil, "", err
	}
	q, err := sysv.Open(key, nil)
	return q, exe, err
}

// talk sends messages of type say, one by one, while it receives those of type hear. The
// queue is used as a channel like any other.
func talk(ctx context.Context, q *sysv.Queue, side string, say, hear int64) error {
	s, err := stream.New(q, &stream.Config{Select: mq.Type(hear)})
	if err != nil {
		return err
	}
	defer s.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()

	for said, heard := 0, 0; said < messages || heard < messages; {
		select {
		case <-tick.C:
			if said++; said == messages {
				tick.Stop()
			}
			text := fmt.Sprintf("message %d from the %s", said, side)
			if err := q.Send(ctx, mq.Message{Type: say, Data: []byte(text)}); err != nil {
				return err
			}
		case m, ok := <-s.Messages():
			if !ok {
				return s.Err()
			}
			heard++
			fmt.Printf("%s: received type %d: %s\n", side, m.Type, m.Data)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
