// Quickstart lets two processes talk through one kernel queue.
//
//	go run ./examples/quickstart
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream"
)

// Both processes use the same queue; the types separate the two directions.
const (
	question = 1
	answer   = 2
)

const envQueue = "QUICKSTART_QUEUE" // the id of the queue; only the child has it

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	run := parent
	if os.Getenv(envQueue) != "" {
		run = child
	}
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// The parent creates the queue, asks, and removes the queue.
func parent(ctx context.Context) error {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		return err
	}
	defer q.Close()
	fmt.Printf("parent %d: created a queue, id %d\n", os.Getpid(), q.ID())

	child, err := startChild(q.ID())
	if err != nil {
		return errors.Join(err, q.Remove())
	}
	err = ask(ctx, q)

	fmt.Println("parent: removes the queue, which would outlive us")
	return errors.Join(err, q.Remove(), child.Wait())
}

func ask(ctx context.Context, q *sysv.Queue) error {
	answers, err := q.Select(mq.Type(answer))
	if err != nil {
		return err
	}
	for _, word := range []string{"hello", "kernel", "queue"} {
		if err := q.Send(ctx, mq.Message{Type: question, Data: []byte(word)}); err != nil {
			return err
		}
		m, err := answers.Receive(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("parent: asked %q, answered %q\n", word, m.Data)
	}

	// No answer will come now. The context ends the waiting call, and the queue is
	// unchanged.
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = answers.Receive(short)
	if !errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(errors.New("expected no answer"), err)
	}
	fmt.Println("parent: no more answers:", err)
	return nil
}

// startChild runs this program again, as the child.
func startChild(id int) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envQueue+"="+strconv.Itoa(id))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd, cmd.Start()
}

// The child ranges over the questions until the queue is removed.
func child(ctx context.Context) error {
	id, err := strconv.Atoi(os.Getenv(envQueue))
	if err != nil {
		return err
	}
	q, err := sysv.OpenID(id, nil)
	if err != nil {
		return err
	}
	defer q.Close()
	fmt.Printf("child %d: opened the queue, id %d\n", os.Getpid(), q.ID())

	questions, err := stream.New(q, &stream.Config{Select: mq.Type(question)})
	if err != nil {
		return err
	}
	defer questions.Close()
	for m := range questions.Messages() {
		fmt.Printf("child: got %q\n", m.Data)
		if err := q.Send(ctx, mq.Message{Type: answer, Data: bytes.ToUpper(m.Data)}); err != nil {
			return err
		}
	}
	if !errors.Is(questions.Err(), mq.ErrRemoved) {
		return questions.Err()
	}
	fmt.Println("child: the range has ended, since the queue was removed")
	return nil
}
