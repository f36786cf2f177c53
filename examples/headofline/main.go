// Headofline shows a slow subscriber that blocks another one, and three ways to avoid
// that. In each case four messages are published: three for the slow subscriber, which
// has room for one and does not read, and then one for the fast subscriber.
//
//	go run ./examples/headofline
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux"
)

// The types of the messages.
const (
	forSlow = 1
	forFast = 2
)

// A scene is a way to subscribe.
type scene struct {
	title    string
	log      bool         // a third subscriber takes mq.Any, so that one reader serves all
	overflow mux.Overflow // of the slow subscriber
	holdsUp  bool         // the slow subscriber blocks the fast one
}

var scenes = []scene{
	{title: "one reader, Block", log: true, holdsUp: true},
	{title: "one reader, DropNewest", log: true, overflow: mux.DropNewest},
	{title: "one reader, DropOldest", log: true, overflow: mux.DropOldest},
	{title: "a reader for each type, Block"},
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "headofline:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Remove(), q.Close()) }()
	for _, s := range scenes {
		if err := s.play(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	return nil
}

func (s scene) play(ctx context.Context, q *sysv.Queue) error {
	m, err := mux.New(q, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	logged := 0
	if s.log {
		if _, err := m.On(mq.Any(), func(mq.Message) { logged++ }, nil); err != nil {
			return err
		}
	}
	noRoom := make(chan *mux.Subscription, 4)
	slow, err := m.Subscribe(mq.Type(forSlow), &mux.SubscribeConfig{
		Buffer:   1,
		Overflow: s.overflow,
		OnSlow:   func(s *mux.Subscription) { noRoom <- s },
	})
	if err != nil {
		return err
	}
	fast, err := m.Subscribe(mq.Type(forFast), nil)
	if err != nil {
		return err
	}

	for _, msg := range []mq.Message{
		{Type: forSlow, Data: []byte("one")},
		{Type: forSlow, Data: []byte("two")},
		{Type: forSlow, Data: []byte("three")},
		{Type: forFast, Data: []byte("hello")},
	} {
		if err := m.Publish(ctx, msg); err != nil {
			return err
		}
	}
	select {
	case sub := <-noRoom:
		fmt.Printf("%s: OnSlow, %v has no room\n", s.title, sub.Selector())
	case <-ctx.Done():
		return ctx.Err()
	}

	if s.holdsUp {
		// The reader holds "two" and waits. It takes nothing else, so the rest stays in
		// the queue.
		st, err := q.Stat()
		if err != nil {
			return err
		}
		fmt.Printf("  %d messages stay in the queue until slow reads; fast has %d\n", st.Messages, fast.Stats().Buffered)
		if err := read(ctx, "slow", slow, 3); err != nil {
			return err
		}
		if err := read(ctx, "fast", fast, 1); err != nil {
			return err
		}
	} else {
		if err := read(ctx, "fast", fast, 1); err != nil {
			return err
		}
		if err := read(ctx, "slow", slow, 3-int(slow.Stats().Dropped)); err != nil {
			return err
		}
	}

	readers := m.Stats().Readers
	if err := m.Shutdown(ctx); err != nil {
		return err
	}
	st := slow.Stats()
	fmt.Printf("  readers %d; slow: delivered %d, dropped %d, reader waited %t", readers, st.Delivered, st.Dropped, st.Blocked > 0)
	if s.log {
		fmt.Printf("; log: %d", logged)
	}
	fmt.Println()
	return nil
}

// read reads n messages from the channel of a subscription.
func read(ctx context.Context, who string, s *mux.Subscription, n int) error {
	for range n {
		select {
		case msg, ok := <-s.Messages():
			if !ok {
				return errors.New("the subscription has ended")
			}
			fmt.Printf("  %s reads %q\n", who, msg.Data)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
