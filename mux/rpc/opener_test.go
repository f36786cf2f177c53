package rpc_test

import (
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux/rpc"
)

// A watched queue counts what is opened to reply, and may lead an address elsewhere.
type watched struct {
	*mqtest.Queue
	opened, open atomic.Int32

	mu sync.Mutex
	to map[string]string // addresses
}

func (q *watched) OpenInbox(address string) (mq.SendCloser, error) {
	q.mu.Lock()
	if other, ok := q.to[address]; ok {
		address = other
	}
	q.mu.Unlock()
	in, err := q.Queue.OpenInbox(address)
	if err != nil {
		return nil, err
	}
	q.opened.Add(1)
	q.open.Add(1)
	return watchedInbox{in, q}, nil
}

type watchedInbox struct {
	mq.SendCloser
	q *watched
}

func (in watchedInbox) Close() error {
	in.q.open.Add(-1)
	return in.SendCloser.Close()
}

// An inbox stays open while its client makes one request after the other, and not
// for long after that.
func TestInboxIsOpenedOnceForManyReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &watched{Queue: outboxQueue()}
		server := serve(t, q, 7, upper, nil)
		client := newClient(t, q)
		for range 100 {
			if _, err := client.Request(t.Context(), 7, []byte("x")); err != nil {
				t.Fatal(err)
			}
			<-time.After(5 * time.Millisecond)
		}
		if opened := q.opened.Load(); opened != 1 {
			t.Errorf("opened %d times for 100 replies", opened)
		}
		<-time.After(45 * time.Millisecond)
		if open := q.open.Load(); open != 0 {
			t.Errorf("%d are open when nothing happens", open)
		}
		if _, err := client.Request(t.Context(), 7, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if opened := q.opened.Load(); opened != 2 {
			t.Errorf("opened %d times, want 2", opened)
		}
		client.Close()
		if err := server.stop(); err != nil {
			t.Error(err)
		}
		if open := q.open.Load(); open != 0 {
			t.Errorf("%d are open after the end", open)
		}
		q.Close()
	})
}

// 200 clients leave no more than 64 inboxes open, and none after the server.
func TestFewInboxesStayOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &watched{Queue: mqtest.New(nil)}
		server := serve(t, q, 7, upper, nil)
		for range 200 {
			in, err := q.NewInbox()
			if err != nil {
				t.Fatal(err)
			}
			request(t, q, in, time.Minute, "x")
			if _, err := in.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
			in.Remove()
			in.Close()
		}
		synctest.Wait()
		if open := q.open.Load(); open != 64 {
			t.Errorf("%d are open", open)
		}
		if err := server.stop(); err != nil {
			t.Error(err)
		}
		if open := q.open.Load(); open != 0 {
			t.Errorf("%d are open after the end", open)
		}
		q.Close()
	})
}

// An address, as one with a key, may be that of another inbox when the first was
// removed.
func TestRepliesFollowAnAddressToAnotherInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &watched{Queue: outboxQueue(), to: make(map[string]string)}
		var lost []error
		server := serve(t, q, 7, upper, &rpc.Config{OnError: func(_ mq.Message, err error) { lost = append(lost, err) }})
		first, err := q.NewInbox()
		if err != nil {
			t.Fatal(err)
		}
		for _, again := range []bool{false, true} {
			in := first
			if again {
				if in, err = q.NewInbox(); err != nil {
					t.Fatal(err)
				}
				q.mu.Lock()
				q.to[first.Address()] = in.Address()
				q.mu.Unlock()
			}
			request(t, q, first, time.Minute, "x")
			if _, err := in.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
			in.Remove()
			in.Close()
		}
		request(t, q, first, time.Minute, "x") // to nobody
		synctest.Wait()
		if len(lost) != 1 || !errors.Is(lost[0], rpc.ErrReplyLost) || !errors.Is(lost[0], fs.ErrNotExist) {
			t.Errorf("lost: %v", lost)
		}
		if err := server.stop(); err != nil {
			t.Error(err)
		}
		q.Close()
	})
}
