package jetstream

import (
	"context"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
)

// A Queue is a handle on a queue that NATS servers keep. Its methods may be
// called by several goroutines at once.
type Queue struct{ mode Mode }

var (
	_ mq.Exchange = (*Queue)(nil)
	_ mq.Leaser   = (*Queue)(nil)
)

// Open connects to a server of the cluster at url, such as
// "nats://a.example:4222,nats://b.example:4222", and opens the queue with the
// given name, or creates it if there is none.
func Open(ctx context.Context, url, name string, cfg *Config) (*Queue, error) { return nil, todo }

// OpenConn is Open over a connection that the caller has made and closes. It
// must have been made with nats.ReconnectBufSize(-1): a message in the
// reconnect buffer may be sent long after Send has failed.
func OpenConn(ctx context.Context, nc *nats.Conn, name string, cfg *Config) (*Queue, error) {
	return nil, todo
}

// Name returns the name that the queue was opened with.
func (q *Queue) Name() string { return "" }

// Mode returns LeaseMode or ClaimMode.
func (q *Queue) Mode() Mode { return q.mode }

// Created reports whether opening this handle created the queue.
func (q *Queue) Created() bool { return false }
