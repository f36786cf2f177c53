package follow_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq/follow"
	"ipcmq/mq/mqtest"
)

func TestALoggerLogsThatAQueueIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &place{queue: mqtest.New(nil)}
		var text bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		q, err := follow.Open(at.open, &follow.Config{Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		first := q.String()
		at.replace(nil)
		sent := make(chan error, 1)
		go func() { sent <- q.Send(t.Context(), message("x")) }()
		time.AfterFunc(time.Second, func() { at.refuse(fs.ErrPermission) })
		time.AfterFunc(2*time.Second, func() { at.refuse(nil); at.replace(mqtest.New(nil)) })
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		q.Close()
		at.replace(nil)
		want := fmt.Sprintf(`level=WARN msg="queue is gone, waiting for another" queue=%q
level=WARN msg="queue cannot be opened" error="permission denied"
level=INFO msg="queue was opened again" queue=%q
`, first, q.String())
		if got := text.String(); got != want {
			t.Errorf("it said\n%swanted\n%s", got, want)
		}
	})
}
