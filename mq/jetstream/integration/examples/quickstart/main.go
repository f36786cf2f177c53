// Quickstart is the example of that name on JetStream: two processes talk through
// one queue, which a NATS server inside the first of them keeps.
//
//	go -C mq/jetstream/integration run ./examples/quickstart
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
	"ipcmq/stream"
)

// Both processes use the same queue; the types separate the two directions.
const (
	question = 1
	answer   = 2
)

const envServer = "QUICKSTART_SERVER" // the address of the server; only the child has it

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	run := parent
	if os.Getenv(envServer) != "" {
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
	s, err := server.Start(nil)
	if err != nil {
		return err
	}
	defer s.Close()
	q, err := jetstream.Open(ctx, s.URL(), "quickstart", nil)
	if err != nil {
		return err
	}
	defer q.Close()
	fmt.Printf("parent %d: created a queue, %v\n", os.Getpid(), q)

	child, err := startChild(s.URL())
	if err != nil {
		return errors.Join(err, q.Remove())
	}
	err = ask(ctx, q)

	fmt.Println("parent: removes the queue, which would outlive us")
	return errors.Join(err, q.Remove(), child.Wait())
}

func ask(ctx context.Context, q *jetstream.Queue) error {
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
func startChild(url string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envServer+"="+url)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd, cmd.Start()
}

// The child ranges over the questions until the queue is removed.
func child(ctx context.Context) error {
	q, err := jetstream.Open(ctx, os.Getenv(envServer), "quickstart", nil)
	if err != nil {
		return err
	}
	defer q.Close()
	fmt.Printf("child %d: opened the queue, %v\n", os.Getpid(), q)

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
