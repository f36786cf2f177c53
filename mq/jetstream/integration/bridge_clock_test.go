package integration_test

import (
	"encoding/binary"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// requestDue returns a request of package rpc that is due by the clock of a queue, from
// a program whose wall clock is an hour off.
func requestDue(due mq.ClockTime) []byte {
	b := append([]byte("ipcq\x01\x01\x00\x00"), make([]byte, 32)...)
	b[8], b[16], b[34] = 5, 6, 29
	binary.LittleEndian.PutUint64(b[24:], uint64(time.Now().Add(-time.Hour).UnixNano()))
	b = append(append(b, "\x02\x00d\x18\x00"...), due.ID[:]...)
	return append(binary.LittleEndian.AppendUint64(b, uint64(due.Time)), "payload"...)
}

// A request has as much time left after a bridge as before it, by the clock of the queue
// that it is in, and by the wall clock of the bridge's host.
func TestBridgeRewritesDeadlines(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	kernel, id := newKernelQueue(t)
	for word, mode := range modes {
		js := openQueue(t, url, "due-"+word, &jetstream.Config{Mode: mode})
		for _, c := range []struct {
			name     string
			from, to interface {
				mq.Queue
				mq.Clocked
			}
			args []string
		}{
			{"to JetStream", kernel, js, []string{id, "js:" + js.Name()}},
			{"from JetStream", js, kernel, []string{"js:" + js.Name(), id}},
		} {
			before, err := c.from.Clock(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b := startBridge(t, append([]string{"-server", url}, c.args...)...)
			sendAll(t, c.from, mq.Message{Type: 3, Data: requestDue(mq.ClockTime{ID: before.ID, Time: before.Time + time.Minute})})
			m, err := c.to.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			now, err := c.to.Clock(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Data) != 76 || string(m.Data[69:]) != "payload" {
				t.Fatalf("%s, %s: got %q", word, c.name, m.Data)
			}
			wall := time.Unix(0, int64(binary.LittleEndian.Uint64(m.Data[24:])))
			due := mq.ClockTime{ID: [16]byte(m.Data[45:]), Time: time.Duration(binary.LittleEndian.Uint64(m.Data[61:]))}
			if due.ID != now.ID {
				t.Errorf("%s, %s: due by the clock %x, not %x", word, c.name, due.ID, now.ID)
			}
			for _, left := range []time.Duration{time.Until(wall), due.Time - now.Time} {
				if left > time.Minute+time.Second || left < 20*time.Second { // the bridge took some time
					t.Errorf("%s, %s: %v left of a minute", word, c.name, left)
				}
			}
			b.stop(t, 0)
		}
	}
}
