package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"ipcmq/mq"
)

var redisReady = regexp.MustCompile(`eady to accept connections`)

// meetRedis uses one server, if installed, for the whole run of the program, on a Unix
// socket and without files.
func meetRedis(ctx context.Context, b *bench, j *job) (meeting, error) {
	socket := filepath.Join(b.programs, "redis")
	s, err := b.server("Redis", func() (*server, error) {
		path, err := exec.LookPath("redis-server")
		if err != nil {
			return nil, errNotThere
		}
		return startServer(ctx, exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"), redisReady)
	})
	if err != nil {
		return meeting{}, fmt.Errorf("redis-server: %w", err)
	}
	j.There, j.Back = socket, rand.Text() // the prefix of the keys
	c := newRedis(socket)
	return meeting{server: s, remove: func() error {
		return errors.Join(c.Del(ctx, j.Back+":there", j.Back+":back").Err(), c.Close())
	}}, nil
}

func newRedis(socket string) *redis.Client {
	return redis.NewClient(&redis.Options{Network: "unix", Addr: socket, PoolSize: 32, ReadTimeout: -1, WriteTimeout: -1})
}

// batchSize is how many elements a Redis receiver takes at once, if available, and how
// many a one-way sender sends to a server or a database at once.
const batchSize = 64

func openRedis(_ context.Context, j job) (end, error) {
	c := newRedis(j.There)
	out, in := j.Back+":there", j.Back+":back"
	switch j.Role {
	case take, echo, serve:
		out, in = in, out
	}
	e := end{
		sender: sendFunc(func(ctx context.Context, data []byte) error { return c.LPush(ctx, out, data).Err() }),
		receive: func(ctx context.Context, handle func([]byte) bool) error {
			for {
				_, elements, err := c.BLMPop(ctx, 0, "right", batchSize, in).Result()
				if err != nil {
					return err
				}
				for _, data := range elements {
					if !handle([]byte(data)) {
						return nil
					}
				}
			}
		},
		call:  redisCall(c, j.Back, out),
		serve: func(ctx context.Context, n int) error { return serveRedis(ctx, c, j.Back, in, n) },
		close: c.Close,
	}
	if j.Role == send {
		e.sender = &pipelined{c: c, key: out, left: j.Warm + j.Count}
	}
	return e, nil
}

// openRedisLeases moves each element to a list of elements being handled, and removes
// it from there when it is done.
func openRedisLeases(_ context.Context, j job) (end, error) {
	c := newRedis(j.There)
	waiting, handled := j.Back+":there", j.Back+":back"
	e := end{
		sender: &pipelined{c: c, key: waiting, left: j.Warm + j.Count},
		receive: func(ctx context.Context, handle func([]byte) bool) error {
			for {
				data, err := c.BLMove(ctx, waiting, handled, "right", "left", 0).Result()
				if err != nil {
					return err
				}
				more := handle([]byte(data))
				if err := c.LRem(ctx, handled, 1, data).Err(); err != nil || !more {
					return err
				}
			}
		},
		close: c.Close,
	}
	return e, nil
}

// pipelined adds several elements with one write.
type pipelined struct {
	c    *redis.Client
	key  string
	left int // elements still to come
	wait redis.Pipeliner
}

func (p *pipelined) Send(ctx context.Context, m mq.Message) error {
	if p.wait == nil {
		p.wait = p.c.Pipeline()
	}
	p.wait.LPush(ctx, p.key, string(m.Data))
	p.left--
	if p.wait.Len() < batchSize && p.left > 0 {
		return nil
	}
	_, err := p.wait.Exec(ctx)
	return err
}

// redisCall returns call: a request carries the number of the list in which it
// waits for the reply, in the same write.
func redisCall(c *redis.Client, prefix, requests string) func(context.Context, []byte) ([]byte, error) {
	var last atomic.Uint64
	return func(ctx context.Context, data []byte) ([]byte, error) {
		id := last.Add(1)
		p := c.Pipeline()
		p.LPush(ctx, requests, string(appendID(id))+string(data))
		reply := p.BRPop(ctx, 0, replyKey(prefix, id))
		if _, err := p.Exec(ctx); err != nil {
			return nil, err
		}
		return []byte(reply.Val()[1]), nil
	}
}

// serveRedis takes all waiting requests, and sends all their replies with one write.
func serveRedis(ctx context.Context, c *redis.Client, prefix, requests string, n int) error {
	for n > 0 {
		_, elements, err := c.BLMPop(ctx, 0, "right", batchSize, requests).Result()
		if err != nil {
			return err
		}
		p := c.Pipeline()
		for _, r := range elements {
			if len(r) < idSize {
				return fmt.Errorf("a request of %d bytes has no id", len(r))
			}
			p.LPush(ctx, replyKey(prefix, idOf(r)), r[idSize:])
		}
		if _, err := p.Exec(ctx); err != nil {
			return err
		}
		n -= len(elements)
	}
	return nil
}

func replyKey(prefix string, id uint64) string { return prefix + ":" + strconv.FormatUint(id, 36) }
