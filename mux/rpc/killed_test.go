package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
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

// TestAServerThatWasKilledBetweenRequestsIsReplaced: its client sees a longer
// wait, and nothing else.
func TestAServerThatWasKilledBetweenRequestsIsReplaced(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
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

// TestAKilledClientDoesNotSlowTheServer kills clients with requests in
// progress, and measures the others.
func TestAKilledClientDoesNotSlowTheServer(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	id := strconv.Itoa(q.ID())
	s := serve(t, q, requestType, upper, nil)
	survivor := newClient(t, q)
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
	for n := range victims {
		cmd, _ := startReady(t, "flood", id)
		testutil.Await(t, func() error { // its inbox is full, since nobody reads it
			full := 0
			for s := range sysv.Queues() {
				if s.Key == sysv.Private && s.Mode&0o111 != 0 && s.Bytes > s.Capacity/2 {
					full++
				}
			}
			if full <= n {
				return errors.New("the inbox is not full")
			}
			return nil
		})
		cmd.Process.Kill()
		cmd.Wait()
	}
	after := median()
	t.Logf("round trip: %v before, %v with %d killed clients with full inboxes; server: %+v", before, after, victims, s.counts())
	if after > 20*before+20*time.Millisecond {
		t.Errorf("a round trip takes %v, but took %v before clients were killed", after, before)
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

// flood sends requests whose replies it never takes, also to a POSIX queue.
func flood() {
	var q mq.Exchange
	var err error
	if strings.HasPrefix(os.Args[1], "/") {
		q, err = posix.Open(os.Args[1], nil)
		must(err)
	} else {
		q = ownQueue()
	}
	in, err := q.NewInbox()
	must(err)
	request := append(rpc.NewHeader(in.Address()), bytes.Repeat([]byte("x"), 300)...)
	fmt.Println("ready")
	for {
		must(q.Send(context.Background(), mq.Message{Type: requestType, Data: request}))
	}
}

// TestAStalledClientDoesNotBlockTheOthers has a client that is alive, but
// stopped.
func TestAStalledClientDoesNotBlockTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Capacity: 1 << 20})
		server := serve(t, q, 7, upper, &rpc.Config{Concurrency: 2})
		stalled, err := q.NewInbox()
		if err != nil {
			t.Fatal(err)
		}
		for range 400 {
			send(t, q, 7, string(rpc.NewHeader(stalled.Address()))+strings.Repeat("x", 4000))
		}
		client := newClient(t, q)
		began := time.Now()
		for range 100 {
			if _, err := client.Request(t.Context(), 7, nil); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("100 requests after 400 of a stalled client took %v", d)
		}
		if st := server.counts(); st.lost == 0 || st.refused != 0 {
			t.Errorf("%+v", st)
		}
		server.stop()
		client.Close()
		stalled.Remove()
		stalled.Close()
		q.Close()
	})
}
