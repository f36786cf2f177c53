// Large sends documents of up to 20 MB through one kernel queue, whose messages have
// at most 8 KiB.
//
//	go run ./examples/large
//
// c/large.h does the same in C.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

const (
	sums    = 1 // the type of requests for the SHA-256 of a document
	reverse = 2 // and for the reversed document
)

const envQueue = "LARGE_QUEUE" // the id of the queue; only the child has it

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	run := parent
	if os.Getenv(envQueue) != "" {
		run = child
	}
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "large:", err)
		os.Exit(1)
	}
}

// The parent creates the queue, asks the child, and removes the queue.
func parent(ctx context.Context) error {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		return err
	}
	l, err := large.Wrap(q, nil)
	if err != nil {
		return errors.Join(err, q.Remove(), q.Close())
	}
	defer l.Close()
	exe, err := os.Executable()
	if err != nil {
		return errors.Join(err, l.Remove())
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), envQueue+"="+strconv.Itoa(q.ID()))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return errors.Join(err, l.Remove())
	}
	err = ask(ctx, l)
	return errors.Join(err, l.Remove(), cmd.Wait()) // the child ends with the queue
}

func ask(ctx context.Context, q mq.Exchange) error {
	client, err := rpc.NewClient(q, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, n := range []int{100, 100_000, 20_000_000} {
		document := bytes.Repeat([]byte("0123456789"), n/10)
		sum, err := client.Request(ctx, sums, document)
		if err != nil {
			return err
		}
		fmt.Printf("parent: the child says that %d bytes have the sum %x, which is right: %v\n",
			n, sum[:4], sha256.Sum256(document) == [32]byte(sum))
		reversed, err := client.Request(ctx, reverse, document)
		if err != nil {
			return err
		}
		fmt.Printf("parent: reversed, its %d bytes begin with %s\n", len(reversed), reversed[:10])
	}
	return nil
}

// The child answers until the queue is removed.
func child(ctx context.Context) error {
	id, err := strconv.Atoi(os.Getenv(envQueue))
	if err != nil {
		return err
	}
	q, err := sysv.OpenID(id, nil)
	if err != nil {
		return err
	}
	l, err := large.Wrap(q, nil)
	if err != nil {
		return errors.Join(err, q.Close())
	}
	defer l.Close()
	ended := make(chan error, 2)
	go func() {
		ended <- rpc.Handle(ctx, l, sums, func(_ context.Context, document []byte) ([]byte, error) {
			sum := sha256.Sum256(document)
			return sum[:], nil
		}, nil)
	}()
	go func() {
		ended <- rpc.Handle(ctx, l, reverse, func(_ context.Context, document []byte) ([]byte, error) {
			reversed := make([]byte, 0, len(document))
			for i := len(document) - 1; i >= 0; i-- {
				reversed = append(reversed, document[i])
			}
			return reversed, nil
		}, nil)
	}()
	for range 2 {
		if err := <-ended; !errors.Is(err, mq.ErrRemoved) {
			return err
		}
	}
	return nil
}
