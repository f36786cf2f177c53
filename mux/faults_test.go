package mux_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
	"ipcmq/mux"
)

func TestAHandlerThatPanicsGoesOnServing(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	handle(t, m, 7, func(_ context.Context, request []byte) ([]byte, error) {
		if len(request) == 0 {
			return request[:cap(request)+1], nil // out of range
		}
		return request, nil
	}, &mux.HandleConfig{Concurrency: 1})
	for range 50 {
		var remote *mux.RemoteError
		if _, err := m.Request(t.Context(), 7, nil); !errors.As(err, &remote) || remote.Code != mux.CodePanicked {
			t.Fatalf("got %v", err)
		}
		if got, err := m.Request(t.Context(), 7, []byte("x")); err != nil || string(got) != "x" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// TestAHandlerThatBlocksLeavesRequestsToOtherServers has one server whose
// handlers never look at their contexts.
func TestAHandlerThatBlocksLeavesRequestsToOtherServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		stuck, good, client := newMux(t, q, nil), newMux(t, q, nil), newMux(t, q, nil)
		forever := make(chan struct{})
		handle(t, stuck, 7, func(context.Context, []byte) ([]byte, error) {
			<-forever
			return nil, nil
		}, &mux.HandleConfig{Concurrency: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var callers sync.WaitGroup
		for range 3 { // two in the handlers, one that waits for them
			callers.Go(func() {
				if _, err := client.Request(ctx, 7, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		handle(t, good, 7, upper, nil)
		for range 20 {
			if got, err := client.Request(t.Context(), 7, []byte("x")); err != nil || string(got) != "X" {
				t.Errorf("got %q, %v", got, err)
			}
		}
		callers.Wait()
		close(forever)
		synctest.Wait()
		// All three are late: two replies, and one that was not handled.
		if st := stuck.Stats().Handled; st.Handled != 2 || st.Expired != 3 {
			t.Errorf("%+v", st)
		}
		for _, m := range []*mux.Mux{stuck, good, client} {
			m.Close()
		}
		q.Close()
	})
}

// TestShutdownGivesUpOnAHandlerThatBlocks: Close does not wait for it.
func TestShutdownGivesUpOnAHandlerThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		server, client := newMux(t, q, nil), newMux(t, q, nil)
		forever := make(chan struct{})
		handle(t, server, 7, func(context.Context, []byte) ([]byte, error) {
			<-forever
			return []byte("after all"), nil
		}, nil)
		result := make(chan string, 1)
		go func() {
			reply, err := client.Request(t.Context(), 7, nil)
			result <- fmt.Sprint(string(reply), err)
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(forever)
		if got := <-result; got != "after all<nil>" {
			t.Errorf("the client got %s", got)
		}
		client.Close()
		q.Close()
	})
}

func TestTheDeadlineOfARequestReachesTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		m := newMux(t, q, nil)
		deadlines := make(chan time.Time, 1)
		handle(t, m, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
			d, _ := ctx.Deadline()
			deadlines <- d
			return nil, nil
		}, nil)
		want := time.Now().Add(time.Hour)
		ctx, cancel := context.WithDeadline(t.Context(), want)
		defer cancel()
		if _, err := m.Request(ctx, 7, nil); err != nil {
			t.Fatal(err)
		}
		if d := <-deadlines; !d.Equal(want) {
			t.Errorf("got %v, want %v", d, want)
		}
		if _, err := m.Request(t.Context(), 7, nil); err != nil {
			t.Fatal(err)
		}
		if d := <-deadlines; !d.IsZero() {
			t.Errorf("got %v, want none", d)
		}
		m.Close()
		q.Close()
	})
}

// TestASubscriberThatNeverReadsLeavesMessagesInTheQueue: it takes what fits, and
// does not hold up the mux.
func TestASubscriberThatNeverReadsLeavesMessagesInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		m := newMux(t, q, nil)
		never := subscribe(t, m, mq.Type(1), &mux.SubscribeConfig{Buffer: 4})
		other := subscribe(t, m, mq.Type(2), nil)
		for i := range 20 {
			send(t, q, 1, fmt.Sprint(i))
		}
		synctest.Wait()
		if left := q.Stat().Messages; left != 20-5 {
			t.Errorf("%d are left", left)
		}
		for i := range 20 {
			send(t, q, 2, fmt.Sprint(i))
			expect(t, other.Messages(), fmt.Sprint(i))
		}
		<-time.After(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.Shutdown(ctx); !errors.Is(err, mux.ErrUnread) {
			t.Errorf("got %v", err)
		}
		if got := data(m.Unread()); !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
			t.Errorf("unread: %v", got)
		}
		if st := never.Stats(); st.Delivered != 4 || st.Blocked != time.Hour+time.Minute {
			t.Errorf("%+v", st)
		}
		q.Close()
	})
}

func TestOneReaderServesAnyNumberOfTypes(t *testing.T) {
	for _, n := range []int64{1, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			q := newQueue(t, nil)
			m := newMux(t, q, nil)
			subscribe(t, m, mq.UpTo(n), &mux.SubscribeConfig{Unclaimed: true})
			var subs []*mux.Subscription
			for typ := range n {
				subs = append(subs, subscribe(t, m, mq.Type(typ+1), nil))
			}
			testutil.Await(t, func() error {
				if st := m.Stats(); st.Readers != 1 || st.Subscriptions != int(n)+1 {
					return fmt.Errorf("%+v", st)
				}
				return nil
			})
			for i := range subs {
				send(t, q, int64(i+1), fmt.Sprint(i))
			}
			for i, s := range subs {
				expect(t, s.Messages(), fmt.Sprint(i))
			}
			if st := m.Stats(); st.Readers != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestSeveralServersShareTheLoad(t *testing.T) {
	q := newQueue(t, nil)
	const servers = 4
	arrived, goOn := make(chan int, servers), make(chan struct{})
	for i := range servers {
		handle(t, newMux(t, q, nil), 7, func(context.Context, []byte) ([]byte, error) {
			arrived <- i
			<-goOn
			return nil, nil
		}, &mux.HandleConfig{Concurrency: 1})
	}
	client := newMux(t, q, nil)
	var callers sync.WaitGroup
	// Each server handles one and takes one more: so all have one at least.
	for range 2 * servers {
		callers.Go(func() {
			if _, err := client.Request(t.Context(), 7, nil); err != nil {
				t.Error(err)
			}
		})
	}
	var busy []int
	for range servers {
		busy = append(busy, <-arrived)
	}
	slices.Sort(busy)
	if !slices.Equal(busy, []int{0, 1, 2, 3}) {
		t.Errorf("busy at the same time: %v", busy)
	}
	go func() {
		for range servers {
			<-arrived
		}
	}()
	close(goOn)
	callers.Wait()
}

func TestSeveralClientsShareAServer(t *testing.T) {
	q := newQueue(t, nil)
	server := newMux(t, q, nil)
	handle(t, server, 7, upper, nil)
	var clients sync.WaitGroup
	for c := range 10 {
		m := newMux(t, q, nil)
		clients.Go(func() {
			for i := range 100 {
				want := fmt.Sprintf("C%d-%d", c, i)
				if got, err := m.Request(t.Context(), 7, []byte(strings.ToLower(want))); err != nil || string(got) != want {
					t.Errorf("got %q, %v, want %s", got, err, want)
					return
				}
			}
			if st := m.Stats().Requests; st != (mux.RequestStats{Sent: 100, Answered: 100}) {
				t.Errorf("%+v", st)
			}
		})
	}
	clients.Wait()
	testutil.Await(t, func() error { // counted after the reply was sent
		if st := server.Stats().Handled; st != (mux.HandleStats{Handled: 1000}) {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
}

// TestAServerThatWasKilledBetweenRequestsIsReplaced: its client sees a longer
// wait, and nothing else.
func TestAServerThatWasKilledBetweenRequestsIsReplaced(t *testing.T) {
	q := newQueue(t, nil)
	client := newMux(t, q, nil)
	server := &serverProcess{tb: t, id: strconv.Itoa(q.ID())}
	server.start()
	for generation := range 3 {
		for i := range 10 {
			want := fmt.Sprintf("%d-%d %d", generation, i, server.cmd.Process.Pid)
			got, err := client.Request(t.Context(), requestType, fmt.Appendf(nil, "%d-%d", generation, i))
			if err != nil || string(got) != want {
				t.Fatalf("got %q, %v, want %s", got, err, want)
			}
		}
		server.kill()
		waiting := make(chan error)
		go func() {
			_, err := client.Request(t.Context(), requestType, []byte("while there is none"))
			waiting <- err
		}()
		testutil.Await(t, func() error {
			if st, err := q.Stat(); err != nil || st.Messages != 1 {
				return fmt.Errorf("%d requests wait, %v", st.Messages, err)
			}
			return nil
		})
		server.start()
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	}
	server.stop()
}

// TestAKilledClientDoesNotSlowTheServer kills clients whose requests are on the
// way, and measures the others.
func TestAKilledClientDoesNotSlowTheServer(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	id := strconv.Itoa(q.ID())
	m := newMux(t, q, nil)
	handle(t, m, requestType, upper, nil)
	survivor := newMux(t, q, nil)
	median := func() time.Duration {
		var times []time.Duration
		for range 300 {
			began := time.Now()
			if _, err := survivor.Request(t.Context(), requestType, make([]byte, 64)); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Since(began))
		}
		slices.Sort(times)
		return times[len(times)/2]
	}
	before := median()

	// Each floods, so that its inbox is full, and is killed before it reads.
	const victims = 4
	for range victims {
		cmd, _ := startReady(t, "flood", id)
		testutil.Await(t, func() error { // its inbox is full: nobody reads there
			for s := range sysv.Queues() {
				if s.LastReceiver == cmd.Process.Pid && s.Key == sysv.Private && s.Bytes > s.Capacity/2 {
					return nil
				}
			}
			return errors.New("the inbox is not full")
		})
		cmd.Process.Kill()
		cmd.Wait()
	}
	after := median()
	t.Logf("round trip: %v before, %v beside %d killed clients with full inboxes; server: %+v", before, after, victims, m.Stats().Handled)
	if after > 20*before+20*time.Millisecond {
		t.Errorf("a round trip takes %v, and took %v before clients were killed", after, before)
	}
	if n := inboxes(t); n != victims+1 {
		t.Errorf("%d inboxes, want those of %d killed clients and of this process", n, victims)
	}
	removed, err := sysv.RemoveDeadInboxes()
	if err != nil || len(removed) != victims {
		t.Errorf("removed %v, %v; want %d", removed, err, victims)
	}
	if _, err := survivor.Request(t.Context(), requestType, nil); err != nil {
		t.Errorf("after the removal: %v", err)
	}
	if err := survivor.Close(); err != nil {
		t.Error(err)
	}
	if n := inboxes(t); n != 0 {
		t.Errorf("%d inboxes are left", n)
	}
}

func init() { roles["flood"] = flood }

// flood sends requests whose replies it never takes.
func flood() {
	q := ownQueue()
	in, err := q.NewInbox()
	must(err)
	request := append(mux.NewHeader(in.Address()), bytes.Repeat([]byte("x"), 512)...)
	fmt.Println("ready")
	for {
		must(q.Send(context.Background(), mq.Message{Type: requestType, Data: request}))
	}
}

// TestAStalledClientDoesNotHoldUpTheOthers is alive, but stopped.
func TestAStalledClientDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Capacity: 1 << 20})
		server := newMux(t, q, nil)
		handle(t, server, 7, upper, &mux.HandleConfig{Concurrency: 2})
		stalled, err := q.NewInbox()
		if err != nil {
			t.Fatal(err)
		}
		for range 400 {
			send(t, q, 7, string(mux.NewHeader(stalled.Address()))+strings.Repeat("x", 4000))
		}
		client := newMux(t, q, nil)
		began := time.Now()
		for range 100 {
			if _, err := client.Request(t.Context(), 7, nil); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("100 requests behind 400 of a stalled client took %v", d)
		}
		if st := server.Stats().Handled; st.Lost == 0 || st.Refused != 0 {
			t.Errorf("%+v", st)
		}
		for _, m := range []*mux.Mux{server, client} {
			m.Close()
		}
		stalled.Remove()
		stalled.Close()
		q.Close()
	})
}

// newPOSIXQueue makes a queue that is unlinked after the test.
func newPOSIXQueue(tb testing.TB) *posix.Queue {
	tb.Helper()
	q, err := posix.Open(fmt.Sprintf("/ipcmq-mux-%d-%d", os.Getpid(), posixQueues.Add(1)),
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

func TestPOSIXQueuesHaveSubscriptionsToAnyOnly(t *testing.T) {
	q := newPOSIXQueue(t)
	m := newMux(t, q, nil)
	for _, s := range []mq.Selector{mq.Type(1), mq.UpTo(1), mq.Except(1)} {
		if _, err := m.Subscribe(s, nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: %v", s, err)
		}
		if _, err := m.Once(t.Context(), s); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Once of %v: %v", s, err)
		}
		if _, err := m.On(s, func(mq.Message) {}, nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("On %v: %v", s, err)
		}
	}
	if _, err := m.Handle(7, upper, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Handle(7): %v", err)
	}
	if st := m.Stats(); st.Readers != 0 || st.Subscriptions != 0 {
		t.Errorf("what was refused left %+v", st)
	}
	a, b := subscribe(t, m, mq.Any(), nil), subscribe(t, m, mq.Any(), nil)
	for i := range 20 {
		if err := m.Publish(t.Context(), mq.Message{Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
		expect(t, a.Messages(), fmt.Sprint(i))
		expect(t, b.Messages(), fmt.Sprint(i))
	}
	if st := m.Stats(); st.Readers != 1 {
		t.Errorf("%+v", st)
	}
}

func TestRequestsOverPOSIXQueuesHaveTypeZero(t *testing.T) {
	q := newPOSIXQueue(t)
	server, client := newMux(t, q, nil), newMux(t, q, nil)
	handle(t, server, 0, upper, nil)
	for i := range 50 {
		want := fmt.Sprintf("HELLO %d", i)
		if got, err := client.Request(t.Context(), 0, []byte(strings.ToLower(want))); err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if _, err := client.Request(t.Context(), 0, make([]byte, 600)); !errors.Is(err, mq.ErrTooLarge) {
		t.Errorf("600 bytes: %v", err)
	}
	if err := client.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
