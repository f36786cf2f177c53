package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

func init() {
	roles["ranging client"] = rangingClient
	roles["replying server"] = replyingServer
}

// rangingClient iterates over as many replies as its second argument says, and
// fails if one is missing.
func rangingClient() {
	c, err := rpc.NewClient(ownQueue(), nil)
	must(err)
	fmt.Println("ready")
	n := 0
	for reply, err := range c.Replies(context.Background(), requestType, fmt.Append(nil, argument(2))) {
		must(err)
		if n++; string(reply) != strconv.Itoa(n) {
			must(fmt.Errorf("reply %d is %q", n, reply))
		}
	}
	if n != argument(2) {
		must(fmt.Errorf("%d replies", n))
	}
	must(c.Close())
}

// replyingServer replies like count, until it is killed.
func replyingServer() {
	fmt.Println("ready")
	must(rpc.Handle(context.Background(), ownQueue(), requestType, rpc.Replies(count), nil))
}

// When a client is killed in the middle of an iteration, the context of the handler
// ends, which sends no more and waits for nothing.
func TestAKilledClientEndsTheHandlerOfItsRange(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	replied, why := make(chan struct{}, 1), make(chan error, 1)
	server := serve(t, q, requestType, rpc.Replies(func(ctx context.Context, request []byte, reply func([]byte) error) error {
		defer func() { why <- context.Cause(ctx) }()
		for i := 1; ; i++ {
			if err := reply(fmt.Append(nil, i)); err != nil {
				return err
			}
			if i == 100 {
				replied <- struct{}{}
				if string(request) == "1000001" { // a handler that does not send
					<-ctx.Done()
				}
			}
		}
	}), nil)
	for _, n := range []int{1_000_000, 1_000_001} {
		cmd, _ := startReady(t, "ranging client", strconv.Itoa(q.ID()), strconv.Itoa(n))
		<-replied
		cmd.Process.Kill()
		cmd.Wait()
		killed := time.Now()
		if err := <-why; !errors.Is(err, rpc.ErrLeft) {
			t.Errorf("got %v", err)
		}
		t.Logf("the handler has ended after %v", time.Since(killed))
	}
	server.stop()
	if st := &server.stats; st.Left.Load() != 2 || st.Lost.Load() != 0 {
		t.Errorf("%d left, %+v", st.Left.Load(), server.counts())
	}
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if n := inboxes(t); n != 0 {
		t.Errorf("%d inboxes are left", n)
	}
}

// A stopped client makes its handler wait, and misses nothing.
func TestAStoppedClientMissesNoReply(t *testing.T) {
	q := newQueue(t, nil)
	server := serve(t, q, requestType, rpc.Replies(count), nil)
	const n = 20_000
	cmd, _ := startReady(t, "ranging client", strconv.Itoa(q.ID()), strconv.Itoa(n))
	for part := range 5 {
		testutil.Await(t, func() error {
			if got := server.stats.Replies.Load(); got < uint64(n*(part+1)/10) {
				return fmt.Errorf("%d replies", got)
			}
			return nil
		})
		testutil.Signal(t, cmd.Process.Pid, "STOP")
		var before, same uint64
		testutil.Await(t, func() error { // until the handler waits
			now := server.stats.Replies.Load()
			if same++; now != before {
				before, same = now, 0
			}
			if same < 10 {
				return fmt.Errorf("%d replies, and more", now)
			}
			return nil
		})
		testutil.Signal(t, cmd.Process.Pid, "CONT")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	server.awaitCounts(t, counts{handled: 1, kept: server.counts().kept})
	if got := server.stats.Replies.Load(); got != n {
		t.Errorf("%d replies", got)
	}
}

// When a server is killed in the middle of an iteration, that ends with an
// error, long before the deadline.
func TestAKilledServerEndsItsRanges(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	client := newClientWith(t, q, &rpc.ClientConfig{Timeout: -1})
	// While the caller waits, and while it is busy, with replies left for it.
	for _, busy := range []bool{false, true} {
		cmd, _ := startReady(t, "replying server", strconv.Itoa(q.ID()))
		n, last := 0, error(nil)
		var killed time.Time
		for reply, err := range client.Replies(t.Context(), requestType, []byte("1000000")) {
			if last = err; err != nil {
				break
			}
			if n++; string(reply) != strconv.Itoa(n) {
				t.Fatalf("reply %d is %q", n, reply)
			}
			if n == 1000 {
				cmd.Process.Kill()
				killed = time.Now()
			}
			if busy && n >= 1000 {
				<-time.After(300 * time.Millisecond)
			}
		}
		took := time.Since(killed)
		cmd.Wait()
		t.Logf("after %d replies, %v later: %v", n, took, last)
		if !errors.Is(last, rpc.ErrReplyLost) || !strings.Contains(last.Error(), "the server has ended") || n < 1000 || took > 10*time.Second {
			t.Errorf("after %d replies, %v later: %v", n, took, last)
		}
	}
	client.Close()
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
}
