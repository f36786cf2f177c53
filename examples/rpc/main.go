// Rpc runs servers and clients, each a process of its own, that make calls through one
// queue. Two servers share the load; one of them is killed and replaced while a client
// calls, and a client is killed while it waits.
//
//	go run ./examples/rpc
//
// The other directories have a client and a server in C, PHP, Perl, Python, Ruby and
// Node; the tests let them call Go and each other. README.md lists what each language
// supports.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// The types of the requests.
const (
	square = 1 // to a server: a number, for its square
	sign   = 2 // to a server: the name of a document, which needs an approval
	permit = 3 // to the parent, from a server that needs the approval
)

// attemptTimeout is the deadline of each attempt. If a server is killed, its requests
// are lost; a client notices that only by the deadline.
const attemptTimeout = time.Second

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rpc:", err)
		os.Exit(1)
	}
}

// run runs the role of this process.
func run(ctx context.Context) (err error) {
	name, q, err := self()
	if err != nil {
		return err
	}
	defer func() {
		if name == parent {
			err = errors.Join(err, q.Remove())
		}
		q.Close()
	}()
	switch role, _, _ := strings.Cut(name, " "); role {
	case "server":
		return serve(ctx, q, name)
	case "client":
		return calls(ctx, q, name)
	}
	return supervise(ctx, q)
}

// supervise starts the other processes, and kills two.
func supervise(ctx context.Context, q *sysv.Queue) (err error) {
	s := &staff{queue: q.ID(), running: make(map[string]*process)}
	defer func() { err = errors.Join(err, s.dismiss("server")) }()

	// Before a server signs something it asks for approval. So the parent knows that
	// this server has a request, and that its client waits.
	asked := make(map[string]bool)
	approve := func(_ context.Context, request []byte) ([]byte, error) {
		document, server, _ := strings.Cut(string(request), " at ")
		if asked[document] {
			return nil, nil // approved at the second attempt
		}
		asked[document] = true
		if document == "letter" {
			fmt.Println("parent: kills client 2, which is waiting for its letter")
			return nil, s.kill("client 2")
		}
		fmt.Println("parent: kills the server that has the contract, and starts server 3")
		return nil, errors.Join(s.kill(server), s.start("server 3"))
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- rpc.Handle(serving, q, permit, approve, &rpc.Config{Concurrency: 1}) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()

	// Requests wait in the queue: a client may start before the servers.
	for _, name := range []string{"client 1", "server 1", "server 2"} {
		if err := s.start(name); err != nil {
			return err
		}
	}
	if err := s.wait("client 1"); err != nil {
		return err
	}
	if err := s.start("client 2"); err != nil {
		return err
	}
	if err := s.wait("client 2"); err == nil {
		return errors.New("client 2 has got its letter")
	}

	// Killed processes could not remove their inboxes: that of the client, and that
	// of the server, which had asked the parent.
	dead, err := sysv.RemoveDeadInboxes()
	fmt.Printf("parent: removed inboxes of killed processes: %d\n", len(dead))
	return err
}
