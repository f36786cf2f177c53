package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// A queue is one that messages are taken from or sent to.
type queue struct {
	exchange
	name string // as on the command line
}

// An exchange is what all these queues have in common.
type exchange interface {
	mq.Exchange
	mq.Checker
}

// open opens the queue at a. It waits for an unavailable server.
func (s *settings) open(ctx context.Context, a queueAddress, access mq.Access) (queue, error) {
	var q exchange
	var err error
	switch {
	case a.jetstream():
		err = persist(ctx, func() error {
			q, err = as(jetstream.Open(ctx, s.server.urls, a.Name, &jetstream.Config{Access: access, OpenOnly: !s.create, NATS: s.server.options()}))
			return err
		})
	case a.posix():
		q, err = as(posix.Open(a.Name, &posix.Config{Access: access, OpenOnly: !s.create}))
	case a.Kind == address.ID:
		q, err = as(sysv.OpenID(a.ID, &sysv.Config{Access: access}))
	default:
		q, err = as(sysv.Open(a.Key, &sysv.Config{Access: access, OpenOnly: !s.create}))
	}
	return queue{q, a.text}, err
}

// as keeps a nil pointer from becoming an interface that is not nil.
func as[Q exchange](q Q, err error) (exchange, error) {
	if err != nil {
		return nil, err
	}
	return q, nil
}

// options returns the options of the connection, which include reports when it is
// lost and restored.
func (f *serverFlags) options() []nats.Option {
	opts := []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				warn("the connection to the server is lost, and is being made again: %v", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { inform("connected again, to %s", nc.ConnectedUrlRedacted()) }),
	}
	if f.creds != "" {
		opts = append(opts, nats.UserCredentials(f.creds))
	}
	if f.ca != "" {
		opts = append(opts, nats.RootCAs(f.ca))
	}
	if f.cert != "" {
		opts = append(opts, nats.ClientCert(f.cert, f.key))
	}
	return opts
}

// tryAgain is the pause before another try when there was no server.
const tryAgain = 500 * time.Millisecond

// persist calls try until there is a server, or ctx ends.
func persist(ctx context.Context, try func() error) error {
	told := false
	for {
		err := try()
		if !errors.Is(err, mq.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		if !told {
			warn("%s; trying again until it works", explain(err))
			told = true
		}
		select {
		case <-time.After(tryAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
