// Emitter uses one queue as an event emitter across two processes: one publishes
// events, the other listens in several ways at once.
//
//	go run ./examples/emitter
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux"
)

// The types of the events.
const (
	ready  = 1 // the emitter has started
	order  = 2
	refund = 3
	visit  = 42  // nobody has subscribed to this one
	over   = 99  // the emitter has published what was requested
	more   = 100 // the listener asks for more events
)

const envQueue = "EMITTER_QUEUE" // the id of the queue; only the emitter has it

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	run := listener
	if os.Getenv(envQueue) != "" {
		run = emitter
	}
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "emitter:", err)
		os.Exit(1)
	}
}

// The listener creates the queue, listens, and removes the queue.
func listener(ctx context.Context) error {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		return err
	}
	defer q.Close()
	child, err := startEmitter(ctx, q.ID())
	if err != nil {
		return errors.Join(err, q.Remove())
	}
	err = listen(ctx, q)
	// The emitter sees the removal, and ends.
	return errors.Join(err, q.Remove(), child.Wait())
}

func listen(ctx context.Context, q *sysv.Queue) error {
	m, err := mux.New(q, nil)
	if err != nil {
		return err
	}
	defer m.Close()

	// Once takes one event; all others stay in the queue.
	e, err := m.Once(ctx, mq.Type(ready))
	if err != nil {
		return err
	}
	fmt.Printf("once: %s\n", e.Data)

	// Each event goes to all subscribers that select it. Their selectors overlap, so
	// the queue has one reader, of everything except the emitter's type.
	off, err := m.On(mq.Type(order), func(e mq.Message) { fmt.Printf("on: order of %s\n", e.Data) }, nil)
	if err != nil {
		return err
	}
	ledger, err := m.Subscribe(mq.UpTo(9), nil)
	if err != nil {
		return err
	}
	unclaimed, err := m.Subscribe(mq.Except(more), &mux.SubscribeConfig{Unclaimed: true})
	if err != nil {
		return err
	}
	pauses, err := m.Subscribe(mq.Type(over), nil)
	if err != nil {
		return err
	}
	var ranges sync.WaitGroup
	ranges.Go(func() {
		for e := range ledger.Messages() {
			fmt.Printf("ledger: type %d, %s\n", e.Type, e.Data)
		}
	})
	ranges.Go(func() {
		for e := range unclaimed.Messages() {
			fmt.Printf("unclaimed: type %d, %s\n", e.Type, e.Data)
		}
	})

	for range 2 {
		if err := m.Publish(ctx, mq.Message{Type: more}); err != nil {
			return err
		}
		select {
		case _, ok := <-pauses.Messages():
			if !ok {
				return m.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		// Orders taken so far still reach the function, later ones do not.
		off()
	}

	// Shutdown waits until what was taken has been read; then the ranges end.
	err = m.Shutdown(ctx)
	ranges.Wait()
	return err
}

// startEmitter runs this program once more, as the emitter.
func startEmitter(ctx context.Context, id int) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), envQueue+"="+strconv.Itoa(id))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd, cmd.Start()
}

// The emitter publishes events when it is asked to, until the queue is removed.
func emitter(ctx context.Context) error {
	id, err := strconv.Atoi(os.Getenv(envQueue))
	if err != nil {
		return err
	}
	q, err := sysv.OpenID(id, nil)
	if err != nil {
		return err
	}
	defer q.Close()

	m, err := mux.New(q, nil)
	if err != nil {
		return err
	}
	defer m.Close()

	events := [][]mq.Message{
		{
			{Type: order, Data: []byte("a book")},
			{Type: visit, Data: []byte("from the neighbour")},
			{Type: order, Data: []byte("a pen")},
			{Type: refund, Data: []byte("a pen")},
			{Type: over},
		}, {
			{Type: order, Data: []byte("ink")},
			{Type: over},
		},
	}
	// This side takes type 100 and nothing else: its own events stay for the
	// listener.
	asked, err := m.Subscribe(mq.Type(more), nil)
	if err != nil {
		return err
	}
	if err := m.Publish(ctx, mq.Message{Type: ready, Data: []byte("the emitter is ready")}); err != nil {
		return err
	}
	for range asked.Messages() {
		if len(events) == 0 {
			return errors.New("asked for more events than there are")
		}
		for _, e := range events[0] {
			if err := m.Publish(ctx, e); err != nil {
				return err
			}
		}
		events = events[1:]
	}

	// The range has ended because the mux has: Done is closed, and Err says why.
	<-m.Done()
	fmt.Println("emitter: ended, since the queue was removed:", errors.Is(m.Err(), mq.ErrRemoved))
	return nil
}
