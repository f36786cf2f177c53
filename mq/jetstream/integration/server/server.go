// Package server starts NATS servers with JetStream inside the program: for
// tests and examples that must run without an installation.
//
//	s, err := server.Start(nil)
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	q, err := jetstream.Open(ctx, s.URL(), "orders", nil)
package server

import (
	"errors"
	"fmt"
	"os"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// Options configures how a server is started. The zero value, like a nil *Options, is
// a server on a free port of the loopback interface, with a temporary
// directory.
type Options struct {
	// Dir is where the server keeps its data, and keeps it after Close; ""
	// means a temporary directory that Close removes.
	Dir string

	// Port is the port to listen on, of the loopback interface; 0 means one
	// that is free.
	Port int

	// Configure, if not nil, is called with the options of the server before it
	// is started, to change them: users, TLS, clusters, limits.
	Configure func(*natsserver.Options)
}

// A Server is a running server.
type Server struct {
	server *natsserver.Server
	dir    string // to remove, or ""
}

// readyWait is how long a server may take to be ready.
const readyWait = 10 * time.Second

// Start starts a server and returns when it accepts connections.
func Start(o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Server{}
	dir := o.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "ipcmq-jetstream-"); err != nil {
			return nil, err
		}
		s.dir = dir
	}
	opts := &natsserver.Options{
		ServerName: fmt.Sprintf("ipcmq-%d", os.Getpid()),
		Host:       "127.0.0.1",
		Port:       o.Port,
		JetStream:  true,
		StoreDir:   dir,
		NoLog:      true,
		NoSigs:     true,
	}
	if opts.Port == 0 {
		opts.Port = natsserver.RANDOM_PORT
	}
	if o.Configure != nil {
		o.Configure(opts)
	}
	var err error
	if s.server, err = natsserver.NewServer(opts); err != nil {
		return nil, errors.Join(err, s.removeDir())
	}
	s.server.Start()
	if !s.server.ReadyForConnections(readyWait) {
		return nil, errors.Join(fmt.Errorf("server: not ready after %v", readyWait), s.Close())
	}
	return s, nil
}

// URL returns where clients reach the server.
func (s *Server) URL() string { return s.server.ClientURL() }

// NATS returns the server itself.
func (s *Server) NATS() *natsserver.Server { return s.server }

// Close stops the server, waits until it has stopped, and removes a temporary
// directory.
func (s *Server) Close() error {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return s.removeDir()
}

func (s *Server) removeDir() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
