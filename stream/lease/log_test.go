package lease_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/stream/lease"
)

// newLogger returns a logger, and a function that returns its lines, without
// the time.
func newLogger() (*slog.Logger, func() []string) {
	var text bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	return logger, func() []string { return slices.Collect(strings.Lines(strings.TrimSpace(text.String()))) }
}

func TestAutomaticActionsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newDistant(t)
		send(t, q, 1, 0, 2)
		logger, said := newLogger()
		q.setDown(unavailable("select leases"))
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			if string(d.Data) == "0" {
				return errors.New("bad")
			}
			return nil
		}, &lease.Config{
			Logger: logger, MaxAttempts: 2,
			DeadLetter: func(context.Context, lease.Delivery, error) error { return nil },
		})
		<-time.After(time.Minute)
		q.setDown(nil)
		<-time.After(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		want := []string{
			`level=WARN msg="queue cannot be reached" error="mq: select leases: queue is unavailable"`,
			`level=INFO msg="queue can be reached again"`,
			`level=WARN msg="message is tried again" sequence=1 attempt=1 type=1 error=bad delay=1s`,
			`level=WARN msg="message is a dead letter" sequence=1 attempt=2 type=1 error=bad`,
		}
		if got := strings.Split(strings.Join(said(), ""), "\n"); !slices.Equal(got, want) {
			t.Errorf("it said\n%s", strings.Join(got, "\n"))
		}
	})
}

func TestALostLeaseIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newDistant(t)
		send(t, q, 1, 0, 1)
		logger, said := newLogger()
		r := startHandling(t, q, func(ctx context.Context, _ lease.Delivery) error {
			q.setDown(unavailable("extend"))
			<-ctx.Done()
			return context.Cause(ctx)
		}, &lease.Config{Logger: logger})
		<-time.After(2 * time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(said(), ""); !strings.Contains(got, `level=WARN msg="lease was lost" sequence=1 attempt=1 type=1 error="lease has run out`) {
			t.Errorf("it said\n%s", got)
		}
	})
}
