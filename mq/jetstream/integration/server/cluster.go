package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Cluster is one server, or several that replicate what they store. Each is a
// separate process, so that it can be killed.
type Cluster struct {
	Nodes []*Node
	conn  *nats.Conn // to ask how the cluster is
	js    jetstream.JetStream
}

// A Node is one server of a cluster. Only one goroutine at a time may call its
// methods.
type Node struct {
	Name    string
	URL     string // where clients connect, such as "nats://127.77.2.3:4222"
	config  nodeConfig
	command func(config string) *exec.Cmd
	process *exec.Cmd      // nil if it does not run
	stop    io.WriteCloser // the process's standard input
}

// A Place is where a node listens, each as host:port.
type Place struct {
	Clients string
	Routes  string // for the other nodes
}

// nodeConfig is the configuration passed to the process of a node.
type nodeConfig struct {
	Name   string
	Place  Place
	Routes []string // the nodes, as host:port; none for a single server
	Dir    string   // what the node stores
}

// StartCluster starts n servers that store in subdirectories of dir, and returns
// when the cluster serves streams with n replicas: of three nodes, after up to 10
// seconds. command makes the process of a node, which has to call [RunNode] with
// the text given.
func StartCluster(ctx context.Context, n int, dir string, command func(config string) *exec.Cmd) (*Cluster, error) {
	host, ports, err := freePorts(2 * n)
	if err != nil {
		return nil, err
	}
	places := make([]Place, n)
	for i := range places {
		places[i].Clients = net.JoinHostPort(host, strconv.Itoa(ports[i]))
		places[i].Routes = net.JoinHostPort(host, strconv.Itoa(ports[n+i]))
	}
	return StartClusterAt(ctx, places, dir, func(_ int, config string) *exec.Cmd { return command(config) })
}

// StartClusterAt is [StartCluster] with a node for each place. command also gets the
// index of the node.
func StartClusterAt(ctx context.Context, places []Place, dir string, command func(node int, config string) *exec.Cmd) (*Cluster, error) {
	c := &Cluster{}
	var routes []string
	for _, p := range places {
		routes = append(routes, p.Routes)
	}
	if len(places) == 1 {
		routes = nil
	}
	for i, p := range places {
		name := fmt.Sprintf("n%d", i+1)
		config := nodeConfig{Name: name, Place: p, Routes: routes, Dir: filepath.Join(dir, name)}
		c.Nodes = append(c.Nodes, &Node{Name: name, URL: "nats://" + p.Clients, config: config,
			command: func(config string) *exec.Cmd { return command(i, config) }})
	}
	for _, node := range c.Nodes {
		if err := node.Start(); err != nil {
			c.Stop()
			return nil, err
		}
	}
	if err := c.connect(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// freePorts returns ports that nobody listens on. Where the system allows, they
// are of an address of the loopback network that others hardly use: of 127.0.0.1
// it might give the port of a node that is down to somebody's connection.
func freePorts(n int) (host string, ports []int, err error) {
	host = fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(256), 1+rand.N(254))
	for len(ports) < n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil && host != "127.0.0.1" {
			host = "127.0.0.1"
			continue
		}
		if err != nil {
			return "", nil, err
		}
		defer l.Close() // after all were found, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return host, ports, nil
}

// connect waits until the cluster serves.
func (c *Cluster) connect(ctx context.Context) error {
	var err error
	c.conn, err = nats.Connect(c.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true), nats.PingInterval(time.Second))
	if err == nil {
		c.js, err = jetstream.New(c.conn)
	}
	if err != nil {
		return err
	}
	// A leader may have been chosen before it knew all nodes, so this tries what must
	// be possible.
	return c.ask(ctx, func(ctx context.Context) error {
		const name = "is-the-cluster-ready"
		_, err := c.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: name, Storage: jetstream.MemoryStorage, Replicas: len(c.Nodes)})
		if err != nil {
			return err
		}
		return c.js.DeleteStream(ctx, name)
	})
}

// ask repeats a question until the answer is nil. A server that does not know
// its leader does not answer at all, so each try is short.
func (c *Cluster) ask(ctx context.Context, question func(context.Context) error) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		short, cancel := context.WithTimeout(ctx, time.Second)
		err := question(short)
		late := short.Err() != nil
		cancel()
		if err == nil {
			return nil
		}
		if late {
			_ = c.conn.ForceReconnect() // another server may know
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%w, and last: %w", context.Cause(ctx), err)
		}
	}
}

// URL returns the addresses of all nodes, for clients.
func (c *Cluster) URL() string {
	var urls []string
	for _, n := range c.Nodes {
		urls = append(urls, n.URL)
	}
	return strings.Join(urls, ",")
}

// Stop ends all nodes.
func (c *Cluster) Stop() {
	if c.conn != nil {
		c.conn.Close()
	}
	var all sync.WaitGroup
	for _, n := range c.Nodes {
		all.Go(func() { n.Stop() })
	}
	all.Wait()
}

// Leader returns the node that leads a stream, waiting until there is one.
func (c *Cluster) Leader(ctx context.Context, stream string) (*Node, error) {
	var leader *Node
	err := c.ask(ctx, func(ctx context.Context) error {
		name, err := c.leader(ctx, stream)
		if err != nil {
			return err
		}
		for _, n := range c.Nodes {
			if n.Name == name {
				leader = n
				return nil
			}
		}
		return fmt.Errorf("stream %s is led by %q", stream, name)
	})
	return leader, err
}

func (c *Cluster) leader(ctx context.Context, stream string) (string, error) {
	if len(c.Nodes) == 1 {
		return c.Nodes[0].Name, nil
	}
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return "", err
	}
	return s.CachedInfo().Cluster.Leader, nil
}

// Lead makes a node the leader of a stream.
func (c *Cluster) Lead(ctx context.Context, n *Node, stream string) error {
	request := fmt.Appendf(nil, `{"placement": {"preferred": %q}}`, n.Name)
	return c.ask(ctx, func(ctx context.Context) error {
		name, err := c.leader(ctx, stream)
		if err != nil || name == n.Name {
			return err
		}
		answer, err := c.conn.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, request)
		if err != nil {
			return err
		}
		return fmt.Errorf("stream %s is led by %q: %s", stream, name, answer.Data)
	})
}

// Last returns the sequence of the last message that was stored in a stream.
func (c *Cluster) Last(ctx context.Context, stream string) (last uint64, err error) {
	err = c.ask(ctx, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, stream)
		if err == nil {
			last = s.CachedInfo().State.LastSeq
		}
		return err
	})
	return last, err
}

// CatchUp waits until each node has all that the cluster stores.
func (c *Cluster) CatchUp(ctx context.Context) error {
	return c.ask(ctx, func(ctx context.Context) error {
		names := c.js.StreamNames(ctx)
		for name := range names.Name() {
			s, err := c.js.Stream(ctx, name)
			if err != nil {
				return err
			}
			if err := current(name, s.CachedInfo().Cluster); err != nil {
				return err
			}
			consumers := s.ConsumerNames(ctx)
			for consumer := range consumers.Name() {
				info, err := s.Consumer(ctx, consumer)
				if err != nil {
					return err
				}
				if err := current(name+" "+consumer, info.CachedInfo().Cluster); err != nil {
					return err
				}
			}
			if err := consumers.Err(); err != nil {
				return err
			}
		}
		return names.Err()
	})
}

// current returns an error unless there is a leader and all others follow it.
func current(name string, c *jetstream.ClusterInfo) error {
	if c == nil { // a single server
		return nil
	}
	if c.Leader == "" {
		return fmt.Errorf("%s has no leader", name)
	}
	for _, r := range c.Replicas {
		if !r.Current || r.Offline || r.Lag != 0 {
			return fmt.Errorf("node %s does not have all of %s: %+v", r.Name, name, *r)
		}
	}
	return nil
}

// Start starts a node that does not run.
func (n *Node) Start() error {
	text, err := json.Marshal(n.config)
	if err != nil {
		return err
	}
	cmd := n.command(string(text))
	stop, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	n.process, n.stop = cmd, stop
	return nil
}

// Stop shuts the node down cleanly, if it runs.
func (n *Node) Stop() {
	if n.process != nil {
		n.stop.Close()
		n.process.Wait()
		n.process = nil
	}
}

// Kill ends the node with SIGKILL. What it has stored stays.
func (n *Node) Kill() {
	if n.process != nil {
		n.process.Process.Kill()
		n.process.Wait()
		n.process = nil
	}
}
