package integration_test

import (
	"context"
	"testing"
	"time"

	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

// What an operator does to servers costs less than their failures: nobody waits for an
// election, nor for an answer that does not come.
func TestPlannedStopsLoseNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := startCluster(t, 3)
	tr, senders := startPinned(t, c, "planned", jetstream.LeaseMode, "lease")
	leader := func() *server.Node {
		t.Helper()
		tr.advanceAll(t, 50, senders...)
		n, err := c.Leader(ctx, streamOf("planned"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	stop := func(n *server.Node) error { n.Stop(); return nil }
	for _, way := range []struct {
		name string
		do   func(*server.Node) error
	}{
		{"another one leads", func(n *server.Node) error {
			for _, other := range c.Nodes {
				if other != n {
					return c.Lead(ctx, other, streamOf("planned"))
				}
			}
			return nil
		}},
		{"stopped", stop},
		{"stopped once more", stop},
		{"retired", (*server.Node).Retire},
		{"retired once more", (*server.Node).Retire},
	} {
		n := leader()
		tr.paused()
		if err := way.do(n); err != nil {
			t.Fatal(err)
		}
		tr.advanceAll(t, 50, senders...)
		t.Logf("the leader, %s, %s: longest pause of a sender %v", n.Name, way.name, tr.paused())
		if n.Stopped() {
			if err := n.Start(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.CatchUp(ctx); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s is back: longest pause %v", n.Name, tr.paused())
	}
	tr.finish(t, c)
}
