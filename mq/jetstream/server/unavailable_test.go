package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// A context that ends before a server could answer says nothing of the server.
func TestOnlyAServerThatHadItsTimeIsUnavailable(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, test := range []struct {
		name, mute string
		call       func(ctx context.Context, url, name string) error
	}{
		{"Open", "STREAM.INFO", func(ctx context.Context, url, name string) error {
			q, err := jetstream.Open(ctx, url, name, nil)
			if err == nil {
				q.Close()
			}
			return err
		}},
		{"Stat", "CONSUMER.NAMES", func(ctx context.Context, url, name string) error {
			q := openQueue(t, url, name, nil)
			_, err := q.Stat(ctx)
			return err
		}},
		{"Receive", "CONSUMER.INFO", func(ctx context.Context, url, name string) error {
			q := openQueue(t, url, name, nil)
			_, err := q.Receive(ctx)
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, url)
			question := &answerTo{part: test.mute, all: true}
			p.toServer = func(f *frame) bool { question.asked(f); return true }
			p.toClient = func(f *frame) bool { return !question.is(f) }
			for wait, unavailable := range map[time.Duration]bool{200 * time.Millisecond: false, 2500 * time.Millisecond: true} {
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				err := test.call(ctx, p.url, "mute-"+test.name)
				cancel()
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mq.ErrUnavailable) != unavailable {
					t.Errorf("after %v: %v", wait, err)
				}
			}
		})
	}
}
