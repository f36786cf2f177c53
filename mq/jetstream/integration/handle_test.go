package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/stream/lease"
)

func init() { roles["handle"] = handleNumbers }

// handleNumbers handles messages, two at once, and writes each to its standard
// output with its attempt, as the attempt begins. Its arguments are the URL and the
// queue, and what its handlers do then: "finish", or "wait" for ever.
func handleNumbers() {
	q, err := jetstream.Open(context.Background(), os.Args[1], os.Args[2], &jetstream.Config{OpenOnly: true})
	must(err)
	must(lease.Handle(untilEnd(), q, func(ctx context.Context, d lease.Delivery) error {
		fmt.Println(string(d.Data), d.Attempt)
		if os.Args[3] == "wait" {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}, &lease.Config{Concurrency: 2}))
	must(q.Close())
}

// A handling is a process that handles messages.
type handling struct {
	end, kill func()

	mu       sync.Mutex
	attempts map[string]int // the last attempt at each message
}

func startHandling(t *testing.T, url, name, what string) *handling {
	t.Helper()
	cmd, in, out := startPiped(t, "handle", url, name, what)
	h := &handling{attempts: map[string]int{}}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var number string
			var attempt int
			if _, err := fmt.Sscan(lines.Text(), &number, &attempt); err != nil {
				t.Errorf("%q: %v", lines.Text(), err)
			}
			h.mu.Lock()
			h.attempts[number] = attempt
			h.mu.Unlock()
		}
	}()
	h.kill = func() {
		cmd.Process.Kill()
		<-heard
		cmd.Wait()
	}
	h.end = func() {
		in.Close()
		<-heard
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	return h
}

// has waits until the process has begun with n messages.
func (h *handling) has(t *testing.T, n int) {
	t.Helper()
	await(t, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.attempts) < n {
			return fmt.Errorf("it has handled %d messages, not %d", len(h.attempts), n)
		}
		return nil
	})
}

func TestWhatAKilledProcessHandledIsHandledByAnother(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, "killed", &jetstream.Config{AckWait: time.Second})
	const all = 20
	for i := range all {
		if err := q.Send(t.Context(), mq.Message{Type: 1, Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	killed := startHandling(t, url, "killed", "wait")
	killed.has(t, 2)
	other := startHandling(t, url, "killed", "finish")
	other.has(t, all-2)
	killed.kill()
	other.has(t, all)
	holds(t, q, 0, 0)
	other.end()
	for number := range killed.attempts {
		if n := other.attempts[number]; n < 2 {
			t.Errorf("message %s, which the killed process had, was handled in attempt %d", number, n)
		}
	}
}

func TestAHandlerMayTakeLongerThanALease(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	var stolen, lost error
	for range 10 { // the machine may be too busy to extend the lease in time
		const wait = 500 * time.Millisecond
		q := openQueue(t, url, newName(), &jetstream.Config{AckWait: wait})
		rival := leases(t, openQueue(t, url, q.Name(), nil), mq.Any())
		if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := lease.Handle(ctx, q, func(handling context.Context, d lease.Delivery) error {
			defer cancel()
			short, cancel := context.WithTimeout(context.WithoutCancel(handling), 3*wait)
			defer cancel()
			l, err := rival.Lease(short)
			if err == nil {
				err = fmt.Errorf("lent to somebody else in attempt %d", l.Attempt())
			}
			stolen, lost = err, context.Cause(handling)
			return nil
		}, nil)
		if errors.Is(stolen, context.DeadlineExceeded) && lost == nil {
			if err != nil {
				t.Error(err)
			}
			holds(t, q, 0, 0)
			return
		}
	}
	t.Fatalf("in 10 tries, no lease was kept: %v; %v", stolen, lost)
}

func TestHandlingOutlivesARestartOfTheServer(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1)
	q := openQueue(t, c.URL(), "handled", &jetstream.Config{AckWait: 2 * time.Second})
	sender := openQueue(t, c.URL(), "handled", nil)

	// One handler has a message until the server has been away for too long.
	slow := make(chan error, 1)
	begun := make(chan struct{})
	var again atomic.Int64
	var first sync.Once
	l := newLine("handling")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handled := make(chan error, 1)
	go func() {
		handled <- lease.Handle(ctx, q, func(ctx context.Context, d lease.Delivery) (err error) {
			if string(d.Data) != "slow" {
				l.arrived(string(d.Data))
				return nil
			}
			again.Store(int64(d.Attempt))
			first.Do(func() {
				close(begun)
				<-ctx.Done()
				err = context.Cause(ctx)
				slow <- err
			})
			return err
		}, &lease.Config{Concurrency: 3, OnError: func(d lease.Delivery, err error) {
			if !errors.Is(err, mq.ErrInDoubt) && !errors.Is(err, mq.ErrUnavailable) && !errors.Is(err, lease.ErrLost) {
				t.Errorf("message %q, attempt %d: %v", d.Data, d.Attempt, err)
			}
		}})
	}()
	if err := sender.Send(t.Context(), mq.Message{Type: 1, Data: []byte("slow")}); err != nil {
		t.Fatal(err)
	}
	<-begun
	sending, enough := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	t.Cleanup(senders.Wait)
	t.Cleanup(enough)
	senders.Go(func() { l.send(sending, t, sender, 1, 2*time.Millisecond) })
	more := func() {
		t.Helper()
		n := l.count() + 50
		await(t, func() error {
			select {
			case err := <-handled:
				t.Fatalf("Handle has ended: %v", err)
			default:
			}
			if got := l.count(); got < n {
				return fmt.Errorf("%d messages are handled, not %d", got, n)
			}
			return nil
		})
	}

	more()
	c.Nodes[0].Kill()
	if err := <-slow; !errors.Is(err, lease.ErrLost) {
		t.Errorf("the context of a handler that has lost its lease ended with %v", err)
	}
	if err := c.Nodes[0].Start(); err != nil {
		t.Fatal(err)
	}
	more()
	enough()
	senders.Wait()
	await(t, l.missing)
	holds(t, sender, 0, 0)
	cancel()
	if err := <-handled; err != nil {
		t.Error(err)
	}
	if n := again.Load(); n < 2 {
		t.Errorf("what was handled while the server was away had attempt %d, and then none", n)
	}
	twice := 0
	for _, n := range l.got {
		twice += n - 1
	}
	t.Logf("%d messages, %d of them again", l.sent, twice)
}
