package jetstream

import (
	"context"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
)

// Settings are what can be changed about an existing queue.
type Settings struct {
	MaxBytes    int64 // capacity in bytes, overhead included
	MaxMessages int64 // maximum number of messages; 0 means no limit
	Replicas    int   // servers that keep each message, 1 to 5

	// IDWindow is how long the servers remember the ids of messages, see [Config].
	IDWindow time.Duration

	// TTL is whether messages may have one, see [Queue.SendWith]. It is set for queues
	// that servers of version 2.11 or later created. Once set, it stays set.
	TTL bool
}

// Set changes the settings of the queue, for all its users: it reads them, lets change
// edit them, and writes them back. If two programs do this at once, one may undo the
// changes of the other.
//
//	err := q.Set(ctx, func(s *jetstream.Settings) { s.Replicas = 3 })
//
// Limits may be less than what is in the queue: nothing is lost, and senders wait until
// there is room again. New replicas are filled while the queue is in use.
//
// Set waits for the servers until ctx ends. If it returns an error, nothing was changed,
// unless the error matches [mq.ErrInDoubt]. It matches [mq.ErrInvalidConfig] if there
// are too few servers or a value is out of range, [ErrLimit], [mq.ErrRemoved],
// errors.ErrUnsupported if the servers are too old for a TTL, or ctx.Err() and the cause
// of ctx.
func (q *Queue) Set(ctx context.Context, change func(*Settings)) error {
	c, err := q.begin("set", ctx, true, true)
	if err != nil {
		return err
	}
	defer c.end()
	var info *js.StreamInfo
	if err := insist(c.ctx, func() (err error) {
		info, err = q.stream(c.ctx, 0)
		return err
	}); err != nil {
		return c.failed(err)
	}
	cfg := info.Config
	s := Settings{MaxBytes: max(cfg.MaxBytes, 0), MaxMessages: max(cfg.MaxMsgs, 0), Replicas: cfg.Replicas,
		IDWindow: cfg.Duplicates, TTL: cfg.AllowMsgTTL}
	change(&s)
	bad := func(format string, args ...any) error {
		return q.handle.Fail("set", mq.ErrInvalidConfig, nil, fmt.Sprintf(format, args...))
	}
	switch least := int64(q.Overhead()); {
	case s.MaxBytes < least:
		return bad("MaxBytes = %d has no room for a message, whose overhead alone is %d bytes", s.MaxBytes, least)
	case s.MaxMessages < 0:
		return bad("MaxMessages = %d is negative; 0 is no limit", s.MaxMessages)
	case s.Replicas < 1 || s.Replicas > 5:
		return bad("Replicas = %d is not in 1 to 5", s.Replicas)
	case s.IDWindow != cfg.Duplicates && s.IDWindow < DefaultIDWindow:
		return bad("IDWindow = %v is less than %v, the least", s.IDWindow, DefaultIDWindow)
	case cfg.AllowMsgTTL && !s.TTL:
		return bad("TTL = false: what is set already stays so")
	}
	if version := q.nc.ConnectedServerVersion(); s.TTL && !hasTTL(version) {
		return q.unsupported("set", nil, fmt.Sprintf("the server has version %s; messages with a TTL need 2.11 or later", version))
	}
	cfg.MaxBytes, cfg.MaxMsgs, cfg.Replicas = s.MaxBytes, s.MaxMessages, s.Replicas
	cfg.Duplicates, cfg.AllowMsgTTL = s.IDWindow, s.TTL
	if s.MaxMessages == 0 {
		cfg.MaxMsgs = -1
	}
	doubt := false
	var changed js.StreamInfo
	err = insist(c.ctx, func() error { // repeating it changes nothing
		err := q.api(c.ctx, graceWait, "STREAM.UPDATE."+q.subjects.stream, cfg, &changed)
		doubt = doubt || isDoubtful(err)
		return err
	})
	switch {
	case err == nil:
		q.limits.Store(limitsOf(&changed.Config))
		q.nc.Publish(q.subjects.free(), nil) // those who wait for room look again
		return nil
	case doubt:
		return q.lost("set", err)
	case code(err) == codeNoPeers, code(err) == codeNoReplicas:
		return q.handle.Fail("set", mq.ErrInvalidConfig, err, fmt.Sprintf("Replicas = %d: there are not so many servers with JetStream", s.Replicas))
	}
	return c.failed(err)
}
