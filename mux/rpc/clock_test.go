package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux/rpc"
)

// A host is a queue as one host sees it, possibly with a clock of another id.
type host struct {
	*mqtest.Queue
	id    byte
	ahead time.Duration
	err   error
}

func (h host) Clock(ctx context.Context) (mq.ClockTime, error) {
	t, _ := h.Queue.Clock(ctx)
	return mq.ClockTime{ID: [16]byte{15: h.id}, Time: t.Time + h.ahead}, h.err
}

// A clockless queue has no clock.
type clockless struct {
	mq.Queue
	exchange
}

type exchange interface {
	NewInbox() (mq.Inbox, error)
	OpenInbox(address string) (mq.SendCloser, error)
}

// The wall clock is the last resort, and an error that is based on it says so.
func TestDeadlinesUseTheSharedClock(t *testing.T) {
	const minute = time.Minute
	for _, c := range []struct {
		name      string
		wall, due time.Duration // from now; 0 for none
		foreign   bool          // the clock
		left      time.Duration // 0: expired
		guessed   bool
		forever   bool
	}{
		{name: "the clock of the client is behind", wall: -minute, due: minute, left: minute},
		{name: "the clock of the client is ahead", wall: time.Hour, due: minute, left: minute},
		{name: "an hour in the queue", wall: minute, due: -time.Hour},
		{name: "without a wall clock", due: minute, left: minute},
		{name: "without a wall clock, late", due: -minute},
		{name: "another clock", wall: minute, due: time.Hour, foreign: true, left: minute},
		{name: "another clock, late", wall: -minute, due: time.Hour, foreign: true, guessed: true},
		{name: "of a client that is older", wall: minute, left: minute},
		{name: "of a client that is older, late", wall: -minute, guessed: true},
		{name: "another clock and no wall clock", due: -minute, foreign: true, forever: true},
		{name: "none", forever: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := mqtest.New(nil)
			var deadline time.Time
			server := serve(t, q, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
				deadline, _ = ctx.Deadline()
				return nil, nil
			}, nil)
			in, err := q.NewInbox()
			if err != nil {
				t.Fatal(err)
			}
			h := rpc.MakeHeader(rpc.KindRequest, 0, 5, 6, time.Time{}, in.Address())
			if c.wall != 0 {
				h = rpc.MakeHeader(rpc.KindRequest, 0, 5, 6, time.Now().Add(c.wall), in.Address())
			}
			if c.due != 0 {
				now, _ := q.Clock(t.Context())
				if c.foreign {
					now.ID[0]++
				}
				h = h.WithDue(mq.ClockTime{ID: now.ID, Time: now.Time + c.due})
			}
			send(t, q, 7, string(h.Append(nil, []byte("x"))))
			m, err := in.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			switch {
			case c.forever && (!deadline.IsZero() || m.Data[5] != 2):
				t.Errorf("%s: deadline %v, %q", c.name, deadline, m.Data)
			case c.left > 0 && (!deadline.Equal(time.Now().Add(c.left)) || m.Data[5] != 2):
				t.Errorf("%s: %v left, %q", c.name, time.Until(deadline), m.Data)
			case c.left == 0 && !c.forever:
				want := rpc.MakeHeader(rpc.KindError, rpc.CodeExpired, 5, 6, time.Time{}, "").Append(nil, []byte("the request came 1"))
				if !bytes.HasPrefix(m.Data, want) || strings.Contains(string(m.Data), "wall clocks") != c.guessed {
					t.Errorf("%s: got %q", c.name, m.Data)
				}
			}
			server.stop()
			in.Remove()
			in.Close()
			q.Close()
		})
	}
}

// A handler sees the deadline of the client, also between hosts with different
// clocks.
func TestRequestsBetweenHosts(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	for _, c := range []struct {
		name           string
		client, server mq.Queue
	}{
		{"one clock", host{Queue: q, id: 1}, host{Queue: q, id: 1}},
		{"two clocks", host{Queue: q, id: 1}, host{Queue: q, id: 2, ahead: time.Hour}},
		{"a client without", clockless{q, q}, host{Queue: q, id: 1, ahead: -time.Hour}},
		{"a server without", host{Queue: q, id: 1, ahead: time.Hour}, clockless{q, q}},
		{"a client that cannot read it", host{Queue: q, err: fs.ErrNotExist}, host{Queue: q}},
		{"a server that cannot read it", host{Queue: q, id: 1}, host{Queue: q, id: 1, err: fs.ErrNotExist}},
	} {
		client := newClient(t, c.client)
		deadlines := make(chan time.Time, 1)
		server := serve(t, c.server, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
			d, _ := ctx.Deadline()
			deadlines <- d
			return nil, nil
		}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		want, _ := ctx.Deadline()
		if _, err := client.Request(ctx, 7, nil); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := (<-deadlines).Sub(want).Abs(); d > 10*time.Second {
			t.Errorf("%s: the deadline is %v away", c.name, d)
		}
		cancel()
		server.stop()
	}
}

// The header has the deadline by the clock of the queue, unless there is none or it
// is too far away.
func TestRequestsCarryTheClockOfTheirQueue(t *testing.T) {
	q := newQueue(t, nil)
	now, err := q.Clock(t.Context())
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, timeout := range []time.Duration{0, time.Hour, -1} {
		client := newClientWith(t, q, &rpc.ClientConfig{Timeout: timeout})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			client.Request(ctx, 7, []byte("hello"))
		}()
		m, err := q.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h, payload, err := rpc.ParseHeader(m.Data)
		if err != nil || string(payload) != "hello" {
			t.Fatalf("%q, %v", payload, err)
		}
		if timeout == 0 {
			timeout = rpc.DefaultTimeout
		}
		due := h.Due()
		if timeout < 0 {
			if due.ID != [16]byte{} || !h.Deadline().IsZero() {
				t.Errorf("without a deadline: %v, %v", due, h.Deadline())
			}
		} else if left := due.Time - now.Time; due.ID != now.ID || (left-timeout).Abs() > 10*time.Second {
			t.Errorf("%v: due %x in %v", timeout, due.ID, left)
		}
		cancel()
		<-ended
	}
}
