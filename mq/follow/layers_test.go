package follow_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/follow"
	"ipcmq/mux"
	"ipcmq/mux/rpc"
	"ipcmq/stream"
)

// replace removes the queue and creates another, and waits until q has noticed
// it.
func (k kind) replace(t *testing.T, q *follow.Queue) {
	t.Helper()
	old := q.Current()
	must(t, k.remove())
	must(t, k.make())
	testutil.Await(t, func() error {
		var err error
		if q.Capabilities().MaxType > 0 {
			r, e := q.Select(mq.Type(999)) // a type that no message has
			must(t, e)
			_, err = r.TryReceive()
		} else {
			err = q.TrySend(mq.Message{Data: make([]byte, 1<<20)}) // too large: refused
		}
		if q.Current() == old {
			return fmt.Errorf("it has not noticed: %v", err)
		}
		return nil
	})
}

func TestStreamsContinue(t *testing.T) {
	ofEach(t, func(t *testing.T, k kind) {
		s, err := stream.New(k.follows(t, nil), nil)
		must(t, err)
		q := k.follows(t, nil)
		for i := range 5 {
			must(t, q.Send(t.Context(), message(fmt.Sprint(i))))
			if m := <-s.Messages(); string(m.Data) != fmt.Sprint(i) {
				t.Errorf("got %q instead of %d; the stream: %v", m.Data, i, s.Err())
			}
			k.replace(t, q)
		}
		must(t, s.Shutdown(t.Context()))
	})
}

func TestMuxesAndBatchesContinue(t *testing.T) {
	ofEach(t, func(t *testing.T, k kind) {
		follower := k.follows(t, nil)
		b, err := batch.New(follower, nil)
		must(t, err)
		m, err := mux.New(b, nil)
		must(t, err)
		selector := mq.Any()
		if b.Capabilities().MaxType > 0 {
			selector = mq.Type(1)
		}
		sub, err := m.Subscribe(selector, nil)
		must(t, err)
		for i := range 5 {
			must(t, m.Publish(t.Context(), message(fmt.Sprint(i))))
			if got := <-sub.Messages(); string(got.Data) != fmt.Sprint(i) {
				t.Errorf("got %q instead of %d; the mux: %v", got.Data, i, m.Err())
			}
			k.replace(t, follower)
		}
		must(t, m.Shutdown(t.Context()))
	})
}

// Replies have their own queues, so requests being handled are answered; those
// that no server had taken end with their deadline.
func TestRequestsContinue(t *testing.T) {
	ofEach(t, func(t *testing.T, k kind) {
		serverQueue, clientQueue := k.follows(t, nil), k.follows(t, nil)
		typ := int64(0)
		if serverQueue.Capabilities().MaxType > 0 {
			typ = 1
		}
		begun, goOn := make(chan struct{}), make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() {
			served <- rpc.Handle(ctx, serverQueue, typ, func(_ context.Context, request []byte) ([]byte, error) {
				if string(request) == "slow" {
					close(begun)
					<-goOn
				}
				return request, nil
			}, &rpc.Config{Concurrency: 1})
		}()
		client, err := rpc.NewClient(clientQueue, nil)
		must(t, err)
		request := func(patience time.Duration, text string) error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			reply, err := client.Request(ctx, 1, []byte(text))
			if err == nil && string(reply) != text {
				err = fmt.Errorf("the reply to %q is %q", text, reply)
			}
			return err
		}
		slow, stranded := make(chan error), make(chan error)
		go func() { slow <- request(time.Minute, "slow") }()
		<-begun
		go func() { stranded <- request(500*time.Millisecond, "in the queue that is removed") }()
		testutil.Await(t, func() error {
			u, err := clientQueue.Usage()
			if err == nil && u.Messages == 0 {
				err = errors.New("the second request is not there yet")
			}
			return err
		})
		k.replace(t, clientQueue)
		next := make(chan error)
		go func() { next <- request(time.Minute, "next") }()
		close(goOn)
		must(t, <-slow)
		must(t, <-next)
		// A server that has an unlinked queue open finds the request
		// there.
		if err := <-stranded; k.name == "sysv" && !errors.Is(err, context.DeadlineExceeded) || k.name != "sysv" && err != nil {
			t.Errorf("the request in the queue that was removed: %v", err)
		}
		stop()
		must(t, <-served)
		must(t, client.Close())
	})
}
