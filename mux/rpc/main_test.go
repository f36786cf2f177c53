package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

var roles = map[string]func(){}

func TestMain(m *testing.M) { testutil.Main(m, roles) }

// newQueue creates a System V queue that is removed after the test.
func newQueue(tb testing.TB, cfg *sysv.Config) *sysv.Queue {
	tb.Helper()
	q, err := sysv.Open(sysv.Private, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := q.Remove(); err != nil && !errors.Is(err, mq.ErrRemoved) {
			tb.Error(err)
		}
		q.Close()
	})
	return q
}

// newPOSIXQueue creates a queue that is unlinked after the test.
func newPOSIXQueue(tb testing.TB) *posix.Queue {
	tb.Helper()
	q, err := posix.Open(fmt.Sprintf("/ipcmq-rpc-%d-%d", os.Getpid(), posixQueues.Add(1)),
		&posix.Config{Exclusive: true, MaxMessages: 8, MaxMessageSize: 512})
	if errors.Is(err, errors.ErrUnsupported) {
		testutil.Lacking(tb, "POSIX queues")
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		q.Unlink()
		q.Close()
	})
	return q
}

var posixQueues atomic.Int64

// newInbox creates an inbox that is removed after the test.
func newInbox(tb testing.TB, q mq.Exchange) mq.Inbox {
	tb.Helper()
	in, err := q.NewInbox()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		in.Remove()
		in.Close()
	})
	return in
}

// newClient returns a client that is closed after the test.
func newClient(tb testing.TB, q mq.Queue) *rpc.Client {
	tb.Helper()
	return newClientWith(tb, q, nil)
}

func newClientWith(tb testing.TB, q mq.Queue, cfg *rpc.ClientConfig) *rpc.Client {
	tb.Helper()
	c, err := rpc.NewClient(q, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// A service is a call of Handle.
type service struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
	stats  rpc.ServerStats
}

// serve calls Handle, whose context ends after the test.
func serve(tb testing.TB, q mq.Queue, t int64, h rpc.Handler, cfg *rpc.Config) *service {
	tb.Helper()
	s := &service{ended: make(chan struct{})}
	var c rpc.Config
	if cfg != nil {
		c = *cfg
	}
	c.Stats = &s.stats
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		defer close(s.ended)
		s.err = rpc.Handle(ctx, q, t, h, &c)
	}()
	tb.Cleanup(func() { s.stop() })
	return s
}

// stop ends the context of Handle, and returns its error.
func (s *service) stop() error {
	s.cancel()
	<-s.ended
	return s.err
}

// counts is a snapshot of rpc.ServerStats.
type counts struct {
	handled, failed, panicked, exited, overrun, malformed, expired, kept, lost, refused int
}

func (s *service) counts() counts {
	st := &s.stats
	return counts{
		int(st.Handled.Load()), int(st.Failed.Load()), int(st.Panicked.Load()), int(st.Exited.Load()), int(st.Overrun.Load()),
		int(st.Malformed.Load()), int(st.Expired.Load()), int(st.Kept.Load()), int(st.Lost.Load()), int(st.Refused.Load()),
	}
}

// awaitCounts waits for the given counts, which change after a reply was sent.
func (s *service) awaitCounts(tb testing.TB, want counts) {
	tb.Helper()
	testutil.Await(tb, func() error {
		if got := s.counts(); got != want {
			return fmt.Errorf("got %+v, want %+v", got, want)
		}
		return nil
	})
}

// upper answers with the request in upper case.
func upper(_ context.Context, request []byte) ([]byte, error) { return bytes.ToUpper(request), nil }

func send(tb testing.TB, q mq.Sender, t int64, data string) {
	tb.Helper()
	if err := q.Send(tb.Context(), mq.Message{Type: t, Data: []byte(data)}); err != nil {
		tb.Fatal(err)
	}
}

// fromEnv returns the number in an environment variable, for long runs, or the
// usual one.
func fromEnv(tb testing.TB, name string, everyDay int) int {
	tb.Helper()
	s := os.Getenv(name)
	if s == "" {
		return everyDay
	}
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		tb.Fatalf("%s=%q is not a number above 0", name, s)
	}
	return n
}
