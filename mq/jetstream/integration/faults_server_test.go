package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

// modes are the modes, by words that can be in the name of a queue.
var modes = map[string]jetstream.Mode{"lease": jetstream.LeaseMode, "claim": jetstream.ClaimMode}

// ackWait returns d, or 0 if there are no leases in the mode.
func ackWait(mode jetstream.Mode, d time.Duration) time.Duration {
	if mode == jetstream.ClaimMode {
		return 0
	}
	return d
}

// startServer starts a server in this process, and returns its address.
func startServer(t *testing.T, configure func(*natsserver.Options)) (url string) {
	t.Helper()
	return start(t, &server.Options{Configure: configure}).URL()
}

func TestOpenWithoutAServerSaysSo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "nats://" + l.Addr().String()
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	q, err := jetstream.Open(ctx, url, "nowhere", nil)
	if err == nil {
		q.Close()
	}
	if !errors.Is(err, mq.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), l.Addr().String()) || ctx.Err() != nil {
		t.Errorf("got %v", err)
	}
}

// A server whose port is open, but which says nothing.
func TestOpenOfAMuteServerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	q, err := jetstream.Open(ctx, "nats://"+l.Addr().String(), "mute", nil)
	if err == nil {
		q.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, mq.ErrUnavailable) || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

// A call is a blocked call, in a goroutine.
type call struct {
	message mq.Message
	done    chan error
}

func receiving(ctx context.Context, r mq.Receiver) *call {
	c := &call{done: make(chan error, 1)}
	go func() {
		var err error
		c.message, err = r.Receive(ctx)
		c.done <- err
	}()
	return c
}

func sending(ctx context.Context, s mq.Sender, m mq.Message) *call {
	c := &call{message: m, done: make(chan error, 1)}
	go func() { c.done <- s.Send(ctx, m) }()
	return c
}

// wait returns the error of the call, which must end.
func (c *call) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-c.done:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the call is still blocked after a minute")
		return nil
	}
}

// blocked fails the test if the call has ended.
func (c *call) blocked(t *testing.T) {
	t.Helper()
	select {
	case err := <-c.done:
		t.Fatalf("the call ended: %v", err)
	default:
	}
}

// observe returns a function that waits until calls that have begun since are
// blocked: that many receivers of one queue, and a sender to the other one.
func observe(t *testing.T, url, empty, full string) (blocked func(t *testing.T, mode jetstream.Mode, receivers int)) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	var looks, tries atomic.Int64
	for subject, n := range map[string]*atomic.Int64{
		"$JS.API.STREAM.MSG.GET." + streamOf(empty): &looks,
		"ipcmq." + full + ".type.*":                 &tries,
	} {
		if _, err := nc.Subscribe(subject, func(*nats.Msg) { n.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, mode jetstream.Mode, receivers int) {
		t.Helper()
		defer nc.Close()
		await(t, func() error {
			waiting := 0
			if mode == jetstream.LeaseMode {
				for c := range js.ConsumersInfo(streamOf(empty)) {
					waiting += c.NumWaiting
				}
			} else {
				waiting = int(looks.Load() / 2) // it looks once more before it waits
			}
			if waiting < receivers || tries.Load() < 2 { // and tries once more
				return fmt.Errorf("%d of %d receivers wait, the sender has tried %d times", waiting, receivers, tries.Load())
			}
			return nil
		})
	}
}

func TestBlockedCallsOutliveARestartOfTheServer(t *testing.T) {
	t.Parallel()
	for word, mode := range modes {
		for _, how := range []struct {
			name string
			end  func(*server.Node)
		}{{"killed", (*server.Node).Kill}, {"stopped", (*server.Node).Stop}} {
			t.Run(word+"/"+how.name, func(t *testing.T) {
				t.Parallel()
				restart(t, mode, how.end)
			})
		}
	}
}

func restart(t *testing.T, mode jetstream.Mode, end func(*server.Node)) {
	c := startCluster(t, 1)
	node := c.Nodes[0]
	empty := openQueue(t, c.URL(), "empty", &jetstream.Config{Mode: mode})
	full := openQueue(t, c.URL(), "full", &jetstream.Config{Mode: mode, MaxMessages: 2})
	for _, text := range []string{"one", "two"} {
		if err := full.Send(t.Context(), mq.Message{Type: 1, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	blocked := observe(t, c.URL(), "empty", "full")
	receive := receiving(t.Context(), empty)
	send := sending(t.Context(), full, mq.Message{Type: 1, Data: []byte("three")})
	blocked(t, mode, 1)

	end(node)
	await(t, func() error { // the connections notice
		_, err := empty.TryReceive()
		if !errors.Is(err, mq.ErrUnavailable) {
			return fmt.Errorf("TryReceive without a server: %v", err)
		}
		return nil
	})
	for name, try := range map[string]func() error{
		"TrySend":    func() error { return empty.TrySend(mq.Message{Type: 1}) },
		"TryReceive": func() error { _, err := full.TryReceive(); return err },
	} {
		start := time.Now()
		if err := try(); !errors.Is(err, mq.ErrUnavailable) || time.Since(start) > 5*time.Second {
			t.Errorf("%s without a server: %v after %v", name, err, time.Since(start))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := empty.Send(ctx, mq.Message{Type: 1}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mq.ErrInDoubt) {
		t.Errorf("Send without a server: %v", err)
	}
	if _, err := full.Stat(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stat without a server: %v", err)
	}
	receive.blocked(t)
	send.blocked(t)

	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	if err := empty.Send(t.Context(), mq.Message{Type: 7, Data: []byte("after")}); err != nil {
		t.Fatal(err)
	}
	if err := receive.wait(t); err != nil || receive.message.Type != 7 || string(receive.message.Data) != "after" {
		t.Errorf("received %+v, %v", receive.message, err)
	}
	for _, want := range []string{"one", "two", "three"} {
		if m, err := full.Receive(t.Context()); err != nil || string(m.Data) != want {
			t.Errorf("received %q, %v; want %s", m.Data, err, want)
		}
	}
	if err := send.wait(t); err != nil {
		t.Error(err)
	}
	for _, q := range []*jetstream.Queue{empty, full} {
		if m, err := q.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
			t.Errorf("left: %q, %v", m.Data, err)
		}
	}
}
