package integration_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

// startPinned creates a queue with three replicas, and senders that each connect to a
// different node first.
func startPinned(t *testing.T, c *server.Cluster, name string, mode jetstream.Mode, how string) (tr *traffic, senders []string) {
	t.Helper()
	tr = startReceivers(t, c, name, mode, how)
	for i, node := range c.Nodes {
		var urls []string
		for j := range c.Nodes {
			urls = append(urls, c.Nodes[(i+j)%len(c.Nodes)].URL)
		}
		tr.senders = append(tr.senders, tr.start(t, "numbers", strings.Join(urls, ","), name, node.Name, "1m", "first"))
		senders = append(senders, node.Name)
	}
	return tr, senders
}

// A server that has lost the others answers pings, but serves nothing.
func TestClientsLeaveAServerThatIsCutOff(t *testing.T) {
	t.Parallel()
	if !inNetwork(t) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	n := startNetwork(t)
	tr, senders := startPinned(t, n.Cluster, "pinned", jetstream.LeaseMode, "lease")
	tr.advanceAll(t, 50, senders...)
	leader, err := n.Leader(ctx, streamOf("pinned"))
	if err != nil {
		t.Fatal(err)
	}
	// Not the leader, so that only its own clients notice.
	cut := (slices.Index(n.Nodes, leader) + 1) % hosts
	n.isolate(t, cut)
	began := time.Now()
	tr.advanceAll(t, 50, senders...)
	took := time.Since(began).Round(10 * time.Millisecond)
	t.Logf("%s, which does not lead, was cut off; its clients went on after %v", n.Nodes[cut].Name, took)
	if took > 20*time.Second {
		t.Errorf("clients of a server that was cut off went on after %v", took)
	}
	n.join(t, cut)
	tr.finish(t, n.Cluster)
}
