package integration_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// A server that is about to stop reports to all who wait for a message that their
// request is over, but keeps sending messages for it for 50 ms; and a new leader of
// a cluster may report that about a request that was fulfilled. Messages that come
// then must not be taken for those of a later request, which may be another
// receiver's, for another type.
func TestARequestThatIsSaidToBeOverBringsNothingToAnother(t *testing.T) {
	t.Parallel()
	for name, fulfilled := range map[string]bool{"while it waits": false, "when it is fulfilled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requestOver(t, fulfilled)
		})
	}
}

func requestOver(t *testing.T, fulfilled bool) {
	url := startServer(t, nil)
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	requests, err := nc.SubscribeSync("$JS.API.CONSUMER.MSG.NEXT.>")
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, url, "announced", &jetstream.Config{AckWait: time.Hour})
	one, two := selected(t, q, mq.Type(1)), selected(t, q, mq.Type(2))
	requested := func(typ string) (inbox string) {
		t.Helper()
		for {
			m, err := requests.NextMsg(10 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(m.Subject, "."+typ+"-") {
				return m.Reply
			}
		}
	}
	send := func(typ int64, text string) {
		t.Helper()
		if err := q.Send(t.Context(), mq.Message{Type: typ, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	got := func(c *call, typ int64, text string) {
		t.Helper()
		if err := c.wait(t); err != nil || c.message.Type != typ || string(c.message.Data) != text {
			t.Errorf("got %q of type %d, %v; want %q of type %d", c.message.Data, c.message.Type, err, text, typ)
		}
	}
	over := func(inbox string) {
		t.Helper()
		m := &nats.Msg{Subject: inbox, Header: nats.Header{"Status": {"409"}, "Description": {"Server Shutdown"}}}
		if err := errors.Join(nc.PublishMsg(m), nc.Flush()); err != nil {
			t.Fatal(err)
		}
	}

	waits := receiving(t.Context(), one)
	inbox := requested("type-1")
	if fulfilled {
		send(1, "before")
		got(waits, 1, "before")
		over(inbox)
		waits = receiving(t.Context(), one)
	} else {
		over(inbox)
	}
	requested("type-1") // again
	send(1, "first")
	got(waits, 1, "first")

	waits = receiving(t.Context(), two)
	requested("type-2")
	send(1, "second")
	send(2, "third")
	got(waits, 2, "third")
	got(receiving(t.Context(), one), 1, "second")
}

func selected(t *testing.T, q mq.Queue, s mq.Selector) mq.Receiver {
	t.Helper()
	r, err := q.Select(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
