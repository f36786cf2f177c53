package integration_test

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"ipcmq/mq/jetstream"
)

// A server that is stopped with SIGSTOP neither answers nor closes its connections. The
// others choose another leader, and its clients leave it.
func TestALeaderThatHangsLosesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := startCluster(t, 3)
	tr, senders := startPinned(t, c, "hung", jetstream.LeaseMode, "lease")
	tr.advanceAll(t, 50, senders...)
	leader, err := c.Leader(ctx, streamOf("hung"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := slices.DeleteFunc(slices.Clone(senders), func(s string) bool { return s == leader.Name })
	tr.paused()
	if err := leader.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	tr.advanceAll(t, 50, elsewhere...)
	others := time.Since(began)
	tr.advanceAll(t, 50, leader.Name)
	t.Logf("the leader, %s, hung: clients elsewhere have sent 50 messages after %v, its own after %v; longest pause of a sender %v",
		leader.Name, others.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond), tr.paused())
	if err := leader.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	tr.advanceAll(t, 50, senders...)
	t.Logf("%s goes on: longest pause %v", leader.Name, tr.paused())
	tr.finish(t, c)
}
