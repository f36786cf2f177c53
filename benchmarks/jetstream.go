package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

const jetStreamConfig = `
listen: "127.0.0.1:-1"
jetstream: {store_dir: %q}
`

// meetJetStream uses one server, with the given storage, for the whole run of the
// program; the server is a tool of this module.
func meetJetStream(storage jetstream.Storage) func(context.Context, *bench, *job) (meeting, error) {
	return func(ctx context.Context, b *bench, j *job) (meeting, error) {
		s, err := b.server("JetStream", func() (*server, error) {
			path, err := tool(ctx, "nats-server")
			if err != nil {
				return nil, err
			}
			config := filepath.Join(b.programs, "jetstream.conf")
			if err := os.WriteFile(config, fmt.Appendf(nil, jetStreamConfig, filepath.Join(b.programs, "jetstream")), 0o600); err != nil {
				return nil, err
			}
			return startServer(ctx, exec.Command(path, "-c", config), natsListens)
		})
		if err != nil {
			return meeting{}, err
		}
		j.There, j.Back = "nats://"+natsListens.FindStringSubmatch(s.line)[1], rand.Text() // the queue
		q, err := jetstream.Open(ctx, j.There, j.Back, &jetstream.Config{Storage: storage, Exclusive: true})
		if err != nil {
			return meeting{}, err
		}
		return meeting{server: s, remove: func() error { return errors.Join(q.Remove(), q.Close()) }}, nil
	}
}

func openJetStream(receive lend) func(context.Context, job) (end, error) {
	return func(ctx context.Context, j job) (end, error) {
		q, err := jetstream.Open(ctx, j.There, j.Back, nil)
		if err != nil {
			return end{}, err
		}
		batches := &batcher{q: q, left: j.Warm + j.Count}
		return end{sender: batches, close: q.Close, receive: func(ctx context.Context, handle func([]byte) bool) error {
			return receive(ctx, q, handle)
		}}, nil
	}
}

// A batcher sends several messages at once.
type batcher struct {
	q       mq.Queue
	left    int // messages still to come
	waiting []mq.Message
}

func (b *batcher) Send(ctx context.Context, m mq.Message) error {
	m.Data = append([]byte(nil), m.Data...)
	b.waiting = append(b.waiting, m)
	b.left--
	if len(b.waiting) < batchSize && b.left > 0 {
		return nil
	}
	_, err := mq.SendBatch(ctx, b.q, b.waiting)
	b.waiting = b.waiting[:0]
	return err
}
