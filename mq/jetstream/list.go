package jetstream

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// List returns the state of all queues on the servers, sorted by name. It uses only
// Domain, APIPrefix and NATS of cfg, which may be nil.
//
// Like [Open] it waits for unavailable servers until ctx ends, or for 15 seconds if ctx
// has no deadline, and its errors are those of Open. If the state of some queues cannot
// be read, that of the others is returned along with the error.
func List(ctx context.Context, servers string, cfg *Config) ([]Stat, error) {
	c, err := cfg.checkValues("")
	if err != nil {
		return nil, asList(err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, openWait)
		defer cancel()
	}
	nc, err := dial(ctx, servers, "", c.NATS)
	if err != nil {
		return nil, asList(err)
	}
	defer nc.Close()
	names, err := listNames(ctx, nc, c)
	if err != nil {
		return nil, err
	}
	stats, errs := make([]Stat, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	turns := make(chan struct{}, 16)
	for i, name := range names {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			q := asking(&link{nc: nc}, name, c)
			if stats[i], errs[i] = q.look(ctx); errs[i] == nil {
				return
			}
			stats[i] = Stat{}
			switch {
			case meaningOf(errs[i]) == removed: // by now
				errs[i] = nil
			case ctx.Err() != nil:
				errs[i] = q.ended("list", ctx, errs[i])
			default:
				errs[i] = q.failed("list", errs[i])
			}
		})
	}
	all.Wait()
	stats = slices.DeleteFunc(stats, func(s Stat) bool { return s.Mode == 0 }) // not a queue, removed or not read
	return stats, errors.Join(errs...)
}

// asList turns an error of a step that Open shares into one of List.
func asList(err error) error {
	var e *mq.Error
	if errors.As(err, &e) {
		e.Op = "list"
	}
	return err
}

// asking returns a handle that can only make requests about a queue.
func asking(l *link, name string, c Config) *Queue {
	return &Queue{nc: l.nc, link: l, handle: handle.Handle{Name: name}, subjects: subjectsOf(name), apiPrefix: c.api()}
}

// listNames returns the sorted names of all streams that are named like queues.
func listNames(ctx context.Context, nc *nats.Conn, c Config) (found []string, err error) {
	q := asking(&link{nc: nc}, "", c)
	if err := q.checkServer(); err != nil {
		return nil, asList(err)
	}
	for offset := 0; ; {
		request := struct {
			Offset  int    `json:"offset"`
			Subject string `json:"subject"`
		}{offset, "ipcmq.>"}
		var names struct {
			Total   int      `json:"total"`
			Streams []string `json:"streams"`
		}
		err := insist(ctx, func() error { return q.api(ctx, 0, "STREAM.NAMES", request, &names) })
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, q.ended("list", ctx, err)
		case err != nil:
			return nil, q.failed("list", err)
		}
		for _, stream := range names.Streams {
			if name, ok := strings.CutPrefix(stream, subjectsOf("").stream); ok && name != "" {
				found = append(found, name)
			}
		}
		offset += len(names.Streams)
		if len(names.Streams) == 0 || offset >= names.Total {
			slices.SortFunc(found, cmp.Compare)
			return slices.Compact(found), nil
		}
	}
}

// look asks for the state of the queue, and waits for it until ctx ends.
func (q *Queue) look(ctx context.Context) (s Stat, err error) {
	var info *js.StreamInfo
	err = insist(ctx, func() (err error) {
		info, err = q.stream(ctx, 0)
		return err
	})
	if err != nil {
		return Stat{}, err
	}
	s = Stat{
		Name: q.handle.Name, Mode: modeOf(&info.Config), Storage: storageOf(&info.Config), Replicas: info.Config.Replicas, AckWait: ackWaitOf(&info.Config),
		Messages: int64(info.State.Msgs), Bytes: int64(info.State.Bytes),
		MaxBytes: max(info.Config.MaxBytes, 0), MaxMessages: max(info.Config.MaxMsgs, 0),
		IDWindow: info.Config.Duplicates, TTL: info.Config.AllowMsgTTL,
		Created: info.Created,
	}
	if info.Cluster != nil {
		s.Leader = info.Cluster.Leader
	}
	if info.State.LastSeq > 0 {
		s.LastSend = info.State.LastTime
	}
	if s.Mode == LeaseMode {
		err = insist(ctx, func() (err error) {
			s.Lent, err = q.lent(ctx)
			return err
		})
	}
	return s, err
}
