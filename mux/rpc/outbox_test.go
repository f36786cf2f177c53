package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// outboxQueue returns a queue whose inboxes hold 10 messages of 1000 bytes.
func outboxQueue() *mqtest.Queue { return mqtest.New(&mqtest.Config{Capacity: 10_000}) }

// fullInbox creates an inbox without any room.
func fullInbox(t *testing.T, q mq.Exchange) mq.Inbox {
	t.Helper()
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := in.TrySend(mq.Message{Type: 1, Data: make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

// empty takes the messages that are in an inbox now.
func empty(in mq.Inbox) (n int) {
	for {
		if _, err := in.TryReceive(); err != nil {
			return n
		}
		n++
	}
}

// request sends a request whose reply goes to an inbox. A timeout of 0 means no
// deadline.
func request(t *testing.T, q mq.Sender, in mq.Inbox, timeout time.Duration, payload string) {
	t.Helper()
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	h := rpc.MakeHeader(rpc.KindRequest, 0, 1, 1, deadline, in.Address())
	send(t, q, 7, string(h.Append(nil, []byte(payload))))
}

func TestRepliesWaitForRoomAndBlockNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := outboxQueue()
		in := fullInbox(t, q)
		server := serve(t, q, 7, upper, &rpc.Config{Concurrency: 1})
		const n = 20
		for i := range n {
			request(t, q, in, time.Minute, "reply "+strconv.Itoa(i))
		}
		client := newClient(t, q)
		began := time.Now()
		for range 10 {
			if got, err := client.Request(t.Context(), 7, []byte("x")); err != nil || string(got) != "X" {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("others took %v", took)
		}
		<-time.After(30 * time.Second)
		if got := empty(in); got != 10 {
			t.Fatalf("%d messages were in the inbox", got)
		}
		began = time.Now()
		for i := range n { // in their order
			m, err := in.Receive(t.Context())
			if err != nil || !strings.HasSuffix(string(m.Data), "REPLY "+strconv.Itoa(i)) {
				t.Fatalf("reply %d: got %q, %v", i, m.Data, err)
			}
		}
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("the replies came after %v", took)
		}
		synctest.Wait()
		if st := server.counts(); st != (counts{handled: n + 10, kept: n}) {
			t.Errorf("%+v", st)
		}
		if err := server.stop(); err != nil {
			t.Error(err)
		}
		client.Close()
		in.Remove()
		in.Close()
		q.Close()
	})
}

// A kept reply is given up at the deadline of its request, or after 30 s.
func TestRepliesAreKeptUntilNobodyWaits(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Second: time.Second, time.Hour: time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			q := outboxQueue()
			in := fullInbox(t, q)
			lost := make(chan error, 1)
			server := serve(t, q, 7, upper, &rpc.Config{OnError: func(m mq.Message, err error) {
				lost <- err
				runtime.Goexit() // must not affect later replies
			}})
			for range 3 {
				began := time.Now()
				request(t, q, in, timeout, "x")
				err := <-lost
				if took := time.Since(began); took < want || took > want+50*time.Millisecond {
					t.Errorf("with %v it is kept for %v", timeout, took)
				}
				if !errors.Is(err, rpc.ErrReplyLost) || !errors.Is(err, mq.ErrFull) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			}
			if err := server.stop(); err != nil {
				t.Error(err)
			}
			in.Remove()
			in.Close()
			q.Close()
		})
	}
}

func TestKeptRepliesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Capacity: 10_000})
		var mu sync.Mutex
		lost := map[string]int{}
		server := serve(t, q, 7, func(context.Context, []byte) ([]byte, error) { return make([]byte, 4000), nil },
			&rpc.Config{OnError: func(_ mq.Message, err error) {
				mu.Lock()
				defer mu.Unlock()
				for _, why := range []string{"are kept for it, of at most 1048576", "are kept for all clients, of at most 16777216", "Handle has ended"} {
					if strings.Contains(err.Error(), why) {
						lost[why]++
					}
				}
			}, Drain: time.Minute})
		const each = 300 // of some 4,400 bytes
		var inboxes []mq.Inbox
		for range 20 {
			in := fullInbox(t, q)
			inboxes = append(inboxes, in)
			for range each {
				request(t, q, in, time.Hour, "")
			}
		}
		synctest.Wait()
		st := server.counts()
		if st.handled != 20*each || st.kept+st.lost != 20*each || st.kept < 15<<20/4400 || st.kept > 16<<20/4000 {
			t.Errorf("%+v", st)
		}
		mu.Lock()
		if lost["are kept for it, of at most 1048576"] == 0 || lost["are kept for all clients, of at most 16777216"] == 0 {
			t.Errorf("lost: %v", lost)
		}
		mu.Unlock()
		began := time.Now()
		if err := server.stop(); err != nil { // it gives up at the end
			t.Error(err)
		}
		if took := time.Since(began); took < time.Minute || took > 61*time.Second {
			t.Errorf("the end took %v", took)
		}
		if lost["Handle has ended"] != st.kept || server.counts().lost != 20*each {
			t.Errorf("%d of %d given up at the end; %+v", lost["Handle has ended"], st.kept, server.counts())
		}
		for _, in := range inboxes {
			in.Remove()
			in.Close()
		}
		q.Close()
	})
}

// Replies kept for a client that ends are given up immediately.
func TestRepliesToEndedClientsAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := outboxQueue()
		in := fullInbox(t, q)
		lost := make(chan error, 3)
		server := serve(t, q, 7, upper, &rpc.Config{OnError: func(_ mq.Message, err error) { lost <- err }})
		for range 3 {
			request(t, q, in, time.Hour, "x")
		}
		<-time.After(time.Minute)
		began := time.Now()
		in.Remove()
		for range 3 {
			if err := <-lost; !errors.Is(err, rpc.ErrReplyLost) || !strings.Contains(err.Error(), "ended or removed its inbox") {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if err := server.stop(); err != nil {
			t.Error(err)
		}
		in.Close()
		q.Close()
	})
}

func init() { roles["frozen client"] = frozenClient }

// frozenClient has 64 callers, each of which makes as many requests as the
// second argument says, and fails if one gets no answer.
func frozenClient() {
	c, err := rpc.NewClient(ownQueue(), nil)
	must(err)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("ready")
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for range argument(2) {
				limited, cancel := context.WithTimeout(ctx, 20*time.Second)
				reply, err := c.Request(limited, requestType, []byte("x"))
				cancel()
				must(err)
				if len(reply) != 3000 {
					must(fmt.Errorf("a reply of %d bytes", len(reply)))
				}
			}
		})
	}
	callers.Wait()
	must(c.Shutdown(ctx))
}

// A client that keeps being stopped, with more pending replies than its inbox
// holds, loses none.
func TestAFrozenClientLosesNoReply(t *testing.T) {
	q := newQueue(t, nil)
	server := serve(t, q, requestType, func(context.Context, []byte) ([]byte, error) { return make([]byte, 3000), nil }, nil)
	each := fromEnv(t, "IPCMQ_FROZEN", 50)
	cmd, _ := startReady(t, "frozen client", strconv.Itoa(q.ID()), strconv.Itoa(each))
	stops := 0
	for part := range 8 {
		testutil.Await(t, func() error {
			if n := server.counts().handled; n < 64*each*(part+1)/10 {
				return fmt.Errorf("%d handled", n)
			}
			return nil
		})
		testutil.Signal(t, cmd.Process.Pid, "STOP")
		stopped := time.Now()
		testutil.Await(t, func() error {
			if d := time.Since(stopped); d < 200*time.Millisecond {
				return fmt.Errorf("stopped only for %v", d)
			}
			return nil
		})
		testutil.Signal(t, cmd.Process.Pid, "CONT")
		stops++
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	st := server.counts()
	t.Logf("stopped %d times: %+v", stops, st)
	if st.handled != 64*each || st.kept == 0 || st.lost != 0 {
		t.Errorf("%+v", st)
	}
}

// Replies kept for a killed client delay the end of Handle only until its death
// is noticed.
func TestRepliesToKilledClientsAreGivenUp(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	testutil.NeedNamespace(t)
	v, p := newQueue(t, nil), newPOSIXQueue(t)
	for name, q := range map[string]mq.Queue{strconv.Itoa(v.ID()): v, p.Name(): p} {
		typ := int64(requestType)
		if q == p {
			typ = 0
		}
		server := serve(t, q, typ, upper, nil)
		cmd, _ := startReady(t, "flood", name)
		testutil.Await(t, func() error {
			if server.counts().kept == 0 {
				return errors.New("nothing is kept")
			}
			return nil
		})
		cmd.Process.Kill()
		cmd.Wait()
		began := time.Now()
		if err := server.stop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		took := time.Since(began)
		t.Logf("%s: the end took %v; %+v", name, took, server.counts())
		if st := server.counts(); took > rpc.DefaultDrain/2 || st.lost < st.kept { // beyond a megabyte none is kept
			t.Errorf("%s: the end took %v; %+v", name, took, st)
		}
	}
	if _, err := sysv.RemoveDeadInboxes(); err != nil {
		t.Error(err)
	}
	if _, err := posix.RemoveDeadInboxes(); err != nil {
		t.Error(err)
	}
}
