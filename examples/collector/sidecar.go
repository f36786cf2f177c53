package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/stream"
)

// A batch is posted when it has this many events, or bytes, or is this old.
const (
	maxEvents = 50
	maxBytes  = 100 << 10
	maxAge    = 20 * time.Millisecond
)

// drainTime is how long a stopping sidecar tries to post what it has.
const drainTime = 5 * time.Second

// sidecar posts events until SIGTERM, and then those that it has already taken.
func sidecar(ctx context.Context) error {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	stopping, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	q, err := posix.Open(os.Getenv(envQueue), &posix.Config{Access: mq.ReadOnly, OpenOnly: true})
	if err != nil {
		return err
	}
	defer q.Close()
	s, err := stream.New(q, &stream.Config{Buffer: maxEvents})
	if err != nil {
		return err
	}
	batches, err := stream.Batches(s.Messages(), &stream.BatchConfig[mq.Message]{MaxItems: maxEvents, MaxBytes: maxBytes, MaxAge: maxAge})
	if err != nil {
		return err
	}
	context.AfterFunc(stopping, func() {
		time.AfterFunc(drainTime, giveUp)
		s.Shutdown(ctx) // then the loop below ends, after the rest
	})
	fmt.Println("ready")

	p := poster{url: os.Getenv(envServer)}
	for batch := range batches {
		if err := p.post(ctx, batch); err != nil {
			s.Close()
			return fmt.Errorf("%d events are lost: %w", len(batch)+len(s.Unread()), err)
		}
	}
	return errors.Join(s.Err(), json.NewEncoder(os.Stdout).Encode(p.counts))
}

// A poster posts batches, one after the other.
type poster struct {
	url string
	counts
}

// post posts a batch until the server has accepted it. The batch has a name, so that
// the server recognizes it if it arrives again because an answer was lost.
func (p *poster) post(ctx context.Context, batch []mq.Message) error {
	var events [][]byte
	for _, m := range batch {
		events = append(events, m.Data) // which is JSON already
	}
	body := append(append([]byte("["), bytes.Join(events, []byte(","))...), ']')
	p.Batches++
	name := fmt.Sprintf("%d-%d", os.Getpid(), p.Batches)
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		err := p.try(ctx, name, body)
		if err == nil {
			p.Events += len(batch)
			return nil
		}
		select {
		case <-time.After(delay):
			p.Repeated++
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (p *poster) try(ctx context.Context, name string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Idempotency-Key", name)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return errors.New(resp.Status)
	}
	return nil
}
