// Posix passes messages between processes that run one after the other: the producer
// has ended when the consumer starts, and the messages wait in the kernel. The most
// urgent message comes first.
//
//	go run ./examples/posix
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/posix"
)

// Environment variables of the two processes.
const (
	envSide  = "POSIX_SIDE"  // "producer" or "consumer"
	envQueue = "POSIX_QUEUE" // the name of the queue
)

func main() {
	run := both
	switch os.Getenv(envSide) {
	case "producer":
		run = produce
	case "consumer":
		run = consume
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "posix:", err)
		os.Exit(1)
	}
}

// both runs the producer, then the consumer, and removes the queue.
func both(ctx context.Context) error {
	name := fmt.Sprintf("/ipcmq-example-%d", os.Getpid())
	err := process(ctx, "producer", name)
	if err == nil {
		err = process(ctx, "consumer", name)
	}
	return errors.Join(err, posix.Unlink(name))
}

// process runs this program as one side and waits until it has ended.
func process(ctx context.Context, side, name string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), envSide+"="+side, envQueue+"="+name)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func produce(ctx context.Context) error {
	q, err := posix.Open(os.Getenv(envQueue), &posix.Config{MaxMessages: 4, MaxMessageSize: 64})
	if err != nil {
		return err
	}
	defer q.Close()
	for _, m := range []mq.Message{
		{Priority: 0, Data: []byte("sweep the floor")},
		{Priority: 9, Data: []byte("put out the fire")},
		{Priority: 0, Data: []byte("water the plants")},
		{Priority: 5, Data: []byte("answer the door")},
	} {
		if err := q.Send(ctx, m); err != nil {
			return err
		}
		fmt.Printf("producer: %s, priority %d\n", m.Data, m.Priority)
	}

	// The queue is full now. A send would wait for the consumer; this one gives up.
	err = q.TrySend(mq.Message{Data: []byte("have lunch")})
	if !errors.Is(err, mq.ErrFull) {
		return fmt.Errorf("TrySend to a full queue: %v", err)
	}
	fmt.Println("producer: the queue is full, and I am done")
	return nil
}

func consume(context.Context) error {
	q, err := posix.Open(os.Getenv(envQueue), &posix.Config{Access: mq.ReadOnly, OpenOnly: true})
	if err != nil {
		return err
	}
	defer q.Close()
	attr, err := q.Attr()
	if err != nil {
		return err
	}
	fmt.Printf("consumer: %d of at most %d messages wait\n", attr.Messages, attr.MaxMessages)
	for {
		m, err := q.TryReceive() // Receive would wait for more
		if errors.Is(err, mq.ErrEmpty) {
			break
		}
		if err != nil {
			return err
		}
		fmt.Printf("consumer: %s, priority %d\n", m.Data, m.Priority)
	}
	fmt.Println("consumer: nothing more to do")
	return nil
}
