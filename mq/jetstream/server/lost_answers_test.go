package server_test

import (
	"bytes"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// The server goes away between the two steps of a claim, for longer than the
// second is repeated.
func TestAWaitingReceiveOutlivesAnOutageWithinAClaim(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	get := &answerTo{part: "STREAM.MSG.GET"}
	gone := make(chan struct{})
	p.toServer = func(f *frame) bool { get.asked(f); return true }
	p.toClient = func(f *frame) bool {
		if get.is(f) {
			// The client takes longer to read this answer than to see that the
			// connection is over, so that the second step is never sent.
			f.last = true
			close(gone)
		}
		return true
	}
	direct := openQueue(t, url, "outage", &jetstream.Config{Mode: jetstream.ClaimMode})
	sent := mq.Message{Type: 3, Data: bytes.Repeat([]byte("x"), 700_000)}
	if err := direct.Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, p.url, "outage", nil)
	receive := receiving(t.Context(), q)
	<-gone
	select {
	case err := <-receive.done:
		t.Fatalf("Receive ended without a server: %v", err)
	case <-time.After(12 * time.Second):
	}
	p.join()
	if err := receive.wait(t); err != nil || receive.message.Type != 3 || !bytes.Equal(receive.message.Data, sent.Data) {
		t.Errorf("got %d bytes of type %d, %v", len(receive.message.Data), receive.message.Type, err)
	}
}
