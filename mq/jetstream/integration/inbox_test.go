package integration_test

import (
	"io/fs"
	"testing"
	"time"

	"ipcmq/mq"
)

// A server opens the client's inbox for each reply.
func TestRepliesToOneInboxTakeOneRoundTripEach(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	questions := p.to(".inbox.", pass)
	client, server := openQueue(t, url, "replies", nil), openQueue(t, p.url, "replies", nil)
	in, err := client.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	reply := func() error {
		out, err := server.OpenInbox(in.Address())
		if err != nil {
			return err
		}
		defer out.Close()
		return out.TrySend(mq.Message{Type: 1})
	}
	const replies = 20
	start := time.Now()
	for range replies {
		if err := reply(); err != nil {
			t.Fatal(err)
		}
	}
	// The first, and one each second on a machine that is that busy.
	if n, most := questions.count(), replies+2+int(time.Since(start)/time.Second); n < replies || n > most {
		t.Errorf("%d requests for %d replies", n, replies)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wants(t, reply(), fs.ErrNotExist, "its program has ended")
	}
}
