package integration_test

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

// Deadlines of requests use the clock of the server, whatever those of the hosts
// say.
func TestDeadlinesGoByTheClockOfTheServer(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	client, server := openQueue(t, url, "clock", nil), openQueue(t, url, "clock", nil)
	one, err := client.Clock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two, err := server.Clock(t.Context())
	if err != nil || two.ID != one.ID || two.ID == [16]byte{} || (two.Time-one.Time).Abs() > 10*time.Second {
		t.Fatalf("%v and %v, %v", one, two, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	handled := make(chan error)
	go func() {
		handled <- rpc.Handle(ctx, server, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
			d, _ := ctx.Deadline()
			return []byte(time.Until(d).Round(time.Minute).String()), nil
		}, nil)
	}()
	in, err := client.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		wall, due time.Duration
		want      string
	}{
		{-time.Hour, time.Minute, "1m0s"}, // the client is an hour behind
		{time.Hour, -time.Minute, "the request came 1m"},
		{time.Hour, time.Minute, "1m0s"},
	} {
		now, err := client.Clock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b := append([]byte("ipcq\x01\x01\x00\x00"), make([]byte, 32)...)
		b[8], b[16], b[32], b[34] = 5, 6, byte(len(in.Address())), 29
		binary.LittleEndian.PutUint64(b[24:], uint64(time.Now().Add(c.wall).UnixNano()))
		b = append(append(b, in.Address()...), "\x02\x00d\x18\x00"...)
		b = binary.LittleEndian.AppendUint64(append(b, now.ID[:]...), uint64(now.Time+c.due))
		if err := client.Send(t.Context(), mq.Message{Type: 7, Data: b}); err != nil {
			t.Fatal(err)
		}
		m, err := in.Receive(t.Context())
		if err != nil || !strings.HasPrefix(string(m.Data[40:]), c.want) {
			t.Errorf("%v by the wall clock, %v by that of the server: %q, %v", c.wall, c.due, m.Data, err)
		}
	}
	cancel()
	if err := <-handled; err != nil {
		t.Error(err)
	}
}
