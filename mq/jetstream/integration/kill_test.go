package integration_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

// A traffic is a queue with processes that send to it, and others that receive.
type traffic struct {
	*tally
	name      string
	queue     *jetstream.Queue
	senders   []func() // each ends a process
	receivers []func()
}

// startTraffic creates a queue with a replica on each node; how is what its
// receivers do: "lease" or "receive".
func startTraffic(t *testing.T, c *server.Cluster, name string, mode jetstream.Mode, how string) *traffic {
	t.Helper()
	tr := startReceivers(t, c, name, mode, how)
	// The one learns what was stored, however long it takes; the other gives up.
	tr.senders = append(tr.senders, tr.start(t, "numbers", c.URL(), name, "patient", "1m"))
	tr.senders = append(tr.senders, tr.start(t, "numbers", c.URL(), name, "hasty", "300ms"))
	return tr
}

// startReceivers is startTraffic without senders.
func startReceivers(t *testing.T, c *server.Cluster, name string, mode jetstream.Mode, how string) *traffic {
	t.Helper()
	q, err := jetstream.Open(t.Context(), c.URL(), name, &jetstream.Config{Mode: mode, Replicas: len(c.Nodes), AckWait: ackWait(mode, 5*time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	tr := &traffic{tally: newTally(), name: name, queue: q}
	for range 3 {
		tr.receivers = append(tr.receivers, tr.start(t, "take", c.URL(), name, how))
	}
	return tr
}

// startPiped starts a process that reads from in and writes to out.
func startPiped(t *testing.T, role string, args ...string) (cmd *exec.Cmd, in io.Closer, out io.Reader) {
	t.Helper()
	cmd = testutil.Command(t, role, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err = cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, out
}

// start starts a process whose output is recorded. The function ends it.
func (tr *traffic) start(t *testing.T, role string, args ...string) (end func()) {
	t.Helper()
	cmd, in, out := startPiped(t, role, args...)
	heard := make(chan struct{})
	go func() { defer close(heard); tr.hear(t, out) }()
	return func() {
		in.Close()
		<-heard
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s %v: %v", role, args, err)
		}
	}
}

// advance waits until the patient sender has sent n more messages.
func (tr *traffic) advance(t *testing.T, n int) {
	t.Helper()
	tr.advanceAll(t, n, "patient")
}

// advanceAll waits until each of the senders has sent n more messages.
func (tr *traffic) advanceAll(t *testing.T, n int, senders ...string) {
	t.Helper()
	least := map[string]int{}
	for _, s := range senders {
		least[s] = tr.sent(s) + n
	}
	await(t, func() error {
		for s, n := range least {
			if got := tr.sent(s); got < n {
				return fmt.Errorf("%s: %s has sent %d of %d messages", tr.name, s, got, n)
			}
		}
		return nil
	})
}

// settle waits until all that was sent has arrived, and the queue is empty.
func (tr *traffic) settle(t *testing.T) error {
	return eventually(func() error {
		if err := tr.missing(); err != nil {
			return err
		}
		s, err := tr.queue.Stat(t.Context())
		if err == nil && s.Messages != 0 {
			err = fmt.Errorf("%d messages in the queue", s.Messages)
		}
		return err
	})
}

func end(processes []func()) {
	for _, f := range processes {
		f()
	}
}

// eventually calls check until it returns nil, or for a minute: clusters need
// seconds to elect their leaders.
func eventually(check func() error) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.After(time.Minute)
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-late:
			return err
		case <-again.C:
		}
	}
}

func await(t *testing.T, check func() error) {
	t.Helper()
	if err := eventually(check); err != nil {
		t.Fatal(err)
	}
}

// kills is how many times the kill test runs.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("IPCMQ_KILLS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("IPCMQ_KILLS=%q is not a number of runs", text)
	}
	return n
}

func TestNoAcknowledgedMessageIsLostWhenLeadersAreKilled(t *testing.T) {
	t.Parallel()
	for i := range kills(t) {
		t.Run(strconv.Itoa(i+1), killLeaders)
	}
}

// killLeaders kills the node that leads three queues, twice.
func killLeaders(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := startCluster(t, 3)
	all := []*traffic{
		startTraffic(t, c, "lease", jetstream.LeaseMode, "lease"),
		startTraffic(t, c, "receive", jetstream.LeaseMode, "receive"),
		startTraffic(t, c, "claim", jetstream.ClaimMode, "receive"),
	}
	for i := range 2 {
		leader, err := c.Leader(ctx, streamOf(all[i].name))
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range all {
			if err := c.Lead(ctx, leader, streamOf(tr.name)); err != nil {
				t.Fatal(err)
			}
		}
		for _, tr := range all {
			tr.advance(t, 200)
		}
		leader.Kill()
		killed := time.Now()
		for _, tr := range all {
			tr.advance(t, 200)
		}
		t.Logf("killed %s, which led; all sent on within %v", leader.Name, time.Since(killed).Round(10*time.Millisecond))
		if err := leader.Start(); err != nil {
			t.Fatal(err)
		}
		if err := c.CatchUp(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, tr := range all {
		tr.finish(t, c)
	}
}

// finish ends the processes, and fails the test if something is lost or was stored
// more than once.
func (tr *traffic) finish(t *testing.T, c *server.Cluster) {
	t.Helper()
	end(tr.senders)
	if err := tr.settle(t); err != nil {
		t.Errorf("%s: %v", tr.name, err)
	}
	end(tr.receivers)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last, err := c.Last(ctx, streamOf(tr.name))
	if err != nil {
		t.Fatal(err)
	}
	tr.check(t, tr.name, last)
}

// streamOf returns the name of the stream that holds a queue.
func streamOf(queue string) string { return "IPCMQ_" + queue }
