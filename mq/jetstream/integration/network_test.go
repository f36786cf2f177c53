package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq/jetstream/integration/server"
)

// envNetwork says that a test runs in its own network namespace.
const envNetwork = "IPCMQ_TEST_NETWORK"

// inNetwork runs the test again in a process that has its own network namespace, and
// returns true there. The namespace ends with the process.
func inNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(envNetwork) != "" {
		return true
	}
	testutil.NotEmulated(t, "has no network namespaces")
	for _, tool := range []string{"unshare", "nsenter", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			testutil.Lacking(t, tool+", of util-linux or iproute2")
		}
	}
	// Not all kernels can make a bridge, and not all containers may.
	if out, err := exec.Command("unshare", "--net", "ip", "link", "add", "name", "clients", "type", "bridge").CombinedOutput(); err != nil {
		testutil.Lacking(t, fmt.Sprintf("network namespaces with bridges (run as root, or allow user namespaces): %v, %s", err, out))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	args := []string{"--net", self, "-test.run=^" + t.Name() + "$", "-test.timeout=10m"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.CommandContext(ctx, "unshare", args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "IPCMQ_TEST_") { // it makes an IPC namespace too
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, envNetwork+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("in a network of its own:\n%s", bytes.TrimSpace(out))
	if err != nil {
		t.Error(err)
	}
	return false
}

// A network has three hosts, one for each node of a cluster, with two networks between
// them: one for clients, which this process is in too, and one for routes.
type network struct {
	*server.Cluster
	hosts []int // a process that is on the host
}

const hosts = 3

func init() {
	roles["host"] = func() { <-untilEnd().Done() }
}

func startNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{}
	ip(t, "link set lo up")
	for i, name := range []string{"clients", "routes"} {
		ip(t, "link add name %s type bridge", name)
		ip(t, "addr add 10.77.%d.254/24 dev %s", i, name)
		ip(t, "link set %s up", name)
	}
	var places []server.Place
	for i := range hosts {
		host := testutil.Command(t, "host")
		host.Path, host.Args = look(t, "unshare"), append([]string{"unshare", "--net"}, host.Args...)
		in, err := host.StdinPipe()
		if err == nil {
			err = host.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); host.Wait() })
		own, err := os.Readlink("/proc/self/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		await(t, func() error { // unshare becomes the host
			other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", host.Process.Pid))
			if err == nil && other == own {
				err = fmt.Errorf("host %d has no network of its own yet", i+1)
			}
			return err
		})
		n.hosts = append(n.hosts, host.Process.Pid)
		for j, name := range []string{"clients", "routes"} {
			ip(t, "link add %s type veth peer name %s netns %d", cable(name, i), name, host.Process.Pid)
			ip(t, "link set %s master %s up", cable(name, i), name)
			n.on(t, i, "addr add 10.77.%d.%d/24 dev %s", j, i+1, name)
			n.on(t, i, "link set %s up", name)
		}
		n.on(t, i, "link set lo up")
		places = append(places, server.Place{Clients: fmt.Sprintf("10.77.0.%d:4222", i+1), Routes: fmt.Sprintf("10.77.1.%d:6222", i+1)})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var err error
	n.Cluster, err = server.StartClusterAt(ctx, places, t.TempDir(), func(node int, config string) *exec.Cmd {
		cmd := testutil.Command(t, "node", config)
		cmd.Path, cmd.Args = look(t, "nsenter"), append([]string{"nsenter", "--net=/proc/" + strconv.Itoa(n.hosts[node]) + "/ns/net"}, cmd.Args...)
		return cmd
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

// cable names the end of a host's cable that is in the bridge of a network.
func cable(network string, host int) string { return network + strconv.Itoa(host+1) }

// isolate cuts a node off from the others, but not from clients, and join undoes it.
// Nobody is notified: what was sent is lost.
func (n *network) isolate(t *testing.T, node int) { ip(t, "link set %s down", cable("routes", node)) }
func (n *network) join(t *testing.T, node int)    { ip(t, "link set %s up", cable("routes", node)) }

// on runs ip on a host.
func (n *network) on(t *testing.T, host int, format string, args ...any) {
	t.Helper()
	run(t, "nsenter", append([]string{"--net=/proc/" + strconv.Itoa(n.hosts[host]) + "/ns/net", "ip"}, strings.Fields(fmt.Sprintf(format, args...))...)...)
}

// ip runs ip in the network of this process.
func ip(t *testing.T, format string, args ...any) {
	t.Helper()
	run(t, "ip", strings.Fields(fmt.Sprintf(format, args...))...)
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v, %s", name, args, err, out)
	}
}

func look(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
