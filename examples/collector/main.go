// Collector brings events from many processes to a server without ever making the
// processes wait: producers put events into a POSIX queue, and drop and count those
// that do not fit; a sidecar takes them out and posts them over HTTP in batches, by
// number or age, and retries until the server has them. When it must stop, the sidecar
// posts what it has taken; the rest stays in the queue for the next sidecar.
//
//	go run ./examples/collector
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"ipcmq/mq/posix"
)

// Environment variables of the processes that main starts.
const (
	envRole   = "COLLECTOR_ROLE"   // "producer" or "sidecar"
	envQueue  = "COLLECTOR_QUEUE"  // the name of the queue
	envServer = "COLLECTOR_SERVER" // where to post
)

const producers, eventsEach = 3, 400

func main() {
	run := collect
	switch os.Getenv(envRole) {
	case "producer":
		run = produce
	case "sidecar":
		run = sidecar
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "collector:", err)
		os.Exit(1)
	}
}

// collect runs a server, producers, and two sidecars one after the other.
func collect(ctx context.Context) (err error) {
	name := fmt.Sprintf("/ipcmq-collector-%d", os.Getpid())
	q, err := posix.Open(name, &posix.Config{Exclusive: true, MaxMessages: 10, MaxMessageSize: 256})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Unlink(), q.Close()) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := newServer()
	web := &http.Server{Handler: server}
	go web.Serve(listener)
	defer web.Close()
	env := append(os.Environ(), envQueue+"="+name, envServer+"=http://"+listener.Addr().String())

	first, err := start(ctx, "sidecar", env)
	if err != nil {
		return err
	}
	var running []*process
	for range producers {
		p, err := start(ctx, "producer", env)
		if err != nil {
			return err
		}
		running = append(running, p)
	}

	// The sidecar is replaced after it has posted something, while events still come.
	if err := until(ctx, func() bool { return server.count().Events > 0 }); err != nil {
		return err
	}
	var posted, put counts
	if err := first.stop(&posted); err != nil {
		return err
	}
	second, err := start(ctx, "sidecar", env)
	if err != nil {
		return err
	}
	for _, p := range running {
		if err := p.wait(&put); err != nil {
			return err
		}
	}
	if err := until(ctx, func() bool { attr, err := q.Attr(); return err != nil || attr.Messages == 0 }); err != nil {
		return err
	}
	if err := second.stop(&posted); err != nil {
		return err
	}

	got := server.count()
	fmt.Printf("%d producers: %d events, %d dropped since the queue was full\n", producers, put.Events+put.Dropped, put.Dropped)
	fmt.Printf("2 sidecars: %d events in %d batches, %d posts repeated\n", posted.Events, posted.Batches, posted.Repeated)
	fmt.Printf("the server: %d events in %d batches, %d batches came twice\n", got.Events, got.Batches, got.Repeated)
	if got.Events != put.Events {
		return fmt.Errorf("%d events were sent, and the server has %d", put.Events, got.Events)
	}
	return nil
}

// counts are printed by a process when it ends.
type counts struct{ Events, Dropped, Batches, Repeated int }

// A process is this program in another role.
type process struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// start starts a process, and returns when it is ready.
func start(ctx context.Context, role string, env []string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(env[:len(env):len(env)], envRole+"="+role)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &process{cmd, bufio.NewReader(out)}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if line, err := p.out.ReadString('\n'); err != nil || line != "ready\n" {
		return nil, fmt.Errorf("%s printed %q: %w", role, line, errors.Join(err, cmd.Wait()))
	}
	return p, nil
}

// stop makes the process end, wait waits for its end; both add its counts to sum.
func (p *process) stop(sum *counts) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.wait(sum)
}

func (p *process) wait(sum *counts) error {
	text, err := io.ReadAll(p.out)
	if err := errors.Join(err, p.cmd.Wait()); err != nil {
		return err
	}
	var c counts
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	sum.Events += c.Events
	sum.Dropped += c.Dropped
	sum.Batches += c.Batches
	sum.Repeated += c.Repeated
	return nil
}

// until waits until done returns true, checking every millisecond.
func until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
