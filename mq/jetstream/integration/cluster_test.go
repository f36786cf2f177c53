package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/internal/testutil"
	"ipcmq/mq/jetstream/integration/server"
)

func init() {
	roles["node"] = func() { must(server.RunNode(os.Args[1])) }
}

// must ends a child process that has failed.
func must(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n", os.Args, err)
		os.Exit(1)
	}
}

// startCluster starts n servers that end with the test.
func startCluster(t testing.TB, n int) *server.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := server.StartCluster(ctx, n, t.TempDir(), func(config string) *exec.Cmd {
		return testutil.Command(t, "node", config)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

func TestANodeThatWasKilledHasWhatItStored(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nc, err := nats.Connect(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "S"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := js.Publish("S", nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		c.Nodes[0].Kill()
		if nc, err := nats.Connect(c.URL()); err == nil {
			nc.Close()
			t.Error("a node that was killed accepts a connection")
		}
		if err := c.Nodes[0].Start(); err != nil {
			t.Fatal(err)
		}
		if err := c.CatchUp(ctx); err != nil {
			t.Fatal(err)
		}
		if last, err := c.Last(ctx, "S"); err != nil || last != 3 {
			t.Errorf("%d messages, %v", last, err)
		}
	}
}

func init() {
	roles["no node"] = func() {}
}

func TestAClusterThatCannotStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c, err := server.StartCluster(ctx, 3, t.TempDir(), func(string) *exec.Cmd {
		return testutil.Command(t, "no node", "")
	})
	if err == nil {
		c.Stop()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
