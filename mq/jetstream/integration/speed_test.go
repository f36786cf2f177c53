package integration_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
	ipcmqstream "ipcmq/stream"
)

func init() {
	roles["bench sender"] = benchSender
	roles["bench server"] = benchServer
}

// benchType is the type of all messages; lease mode allows either types or Any.
const benchType = 1

// openPlace opens the queue with an address from one of the places below.
func openPlace(address string) (mq.Exchange, error) {
	url, name, _ := strings.Cut(address, " ")
	if url == "sysv" {
		id, err := strconv.Atoi(name)
		if err != nil {
			return nil, err
		}
		return sysv.OpenID(id, nil)
	}
	return jetstream.Open(context.Background(), url, name, &jetstream.Config{OpenOnly: true})
}

// benchSender sends as many messages as its argument says.
func benchSender() {
	q, err := openPlace(os.Args[1])
	must(err)
	n, err := strconv.Atoi(os.Args[2])
	must(err)
	for range n {
		must(q.Send(context.Background(), mq.Message{Type: benchType, Data: make([]byte, 64)}))
	}
	must(q.Close())
}

// benchServer answers requests until its standard input ends.
func benchServer() {
	q, err := openPlace(os.Args[1])
	must(err)
	must(rpc.Handle(untilStdinEnds(), q, benchType, func(_ context.Context, request []byte) ([]byte, error) { return request, nil }, nil))
	must(q.Close())
}

// BenchmarkPlaces does the same with a queue in the kernel and with queues on
// servers, with messages of 64 bytes. What sends, and what answers requests, is
// another process; so is each server.
func BenchmarkPlaces(b *testing.B) {
	onServers := func(nodes int, storage jetstream.Storage, mode jetstream.Mode) func(*testing.B) string {
		return func(b *testing.B) string {
			url, name := startCluster(b, nodes).URL(), newName()
			q := openQueue(b, url, name, &jetstream.Config{Replicas: nodes, Storage: storage, Mode: mode})
			b.Cleanup(func() {
				if err := q.Remove(); err != nil {
					b.Error(err)
				}
			})
			return url + " " + name
		}
	}
	for _, place := range []struct {
		name string
		make func(*testing.B) string
	}{
		{"kernel", func(b *testing.B) string {
			q, err := sysv.Open(sysv.Private, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { q.Remove() })
			return "sysv " + strconv.Itoa(q.ID())
		}},
		{"one node, memory", onServers(1, jetstream.Memory, 0)},
		{"one node, disk", onServers(1, jetstream.File, 0)},
		{"one node, disk, claim mode", onServers(1, jetstream.File, jetstream.ClaimMode)},
		{"three nodes, disk", onServers(3, jetstream.File, 0)},
		{"three nodes, disk, claim mode", onServers(3, jetstream.File, jetstream.ClaimMode)},
	} {
		b.Run(place.name, func(b *testing.B) {
			address := place.make(b)
			q, err := openPlace(address)
			if err != nil {
				b.Fatal(err)
			}
			defer q.Close()
			b.Run("send and receive", func(b *testing.B) { benchSendReceive(b, q) })
			b.Run("stream", func(b *testing.B) { benchStream(b, q, address) })
			b.Run("leases of 100", func(b *testing.B) { benchLeases(b, q, address) })
			b.Run("request", func(b *testing.B) { benchRequest(b, q, address) })
		})
	}
}

func benchSendReceive(b *testing.B, q mq.Queue) {
	r, err := q.Select(mq.Type(benchType))
	if err != nil {
		b.Fatal(err)
	}
	m := mq.Message{Type: benchType, Data: make([]byte, 64)}
	for b.Loop() {
		if err := q.Send(b.Context(), m); err != nil {
			b.Fatal(err)
		}
		if err := r.ReceiveInto(b.Context(), &m); err != nil {
			b.Fatal(err)
		}
	}
}

// benchPeer starts a process in that role.
func benchPeer(b *testing.B, role string, args ...string) {
	cmd := testutil.Command(b, role, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
}

// benchStream begins to measure with the first message.
func benchStream(b *testing.B, q mq.Queue, address string) {
	s, err := ipcmqstream.New(q, &ipcmqstream.Config{Select: mq.Type(benchType)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	benchPeer(b, "bench sender", address, strconv.Itoa(b.N+1))
	<-s.Messages()
	b.ResetTimer()
	for range b.N {
		if _, ok := <-s.Messages(); !ok {
			b.Fatal(s.Err())
		}
	}
}

func benchLeases(b *testing.B, q mq.Queue, address string) {
	leaser, ok := q.(mq.Leaser)
	if !ok {
		b.Skip("this queue does not lend")
	}
	leases, err := leaser.SelectLeases(mq.Type(benchType))
	if errors.Is(err, errors.ErrUnsupported) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	benchPeer(b, "bench sender", address, strconv.Itoa(b.N))
	for n := 0; n < b.N; {
		batch, err := leases.LeaseBatch(b.Context(), 100)
		if err != nil {
			b.Fatal(err)
		}
		for _, l := range batch {
			if err := l.Ack(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		n += len(batch)
	}
}

func benchRequest(b *testing.B, q mq.Queue, address string) {
	m := newClient(b, q)
	benchPeer(b, "bench server", address)
	data := make([]byte, 64)
	if _, err := m.Request(b.Context(), benchType, data); err != nil { // the server is there
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := m.Request(b.Context(), benchType, data); err != nil {
			b.Fatal(err)
		}
	}
}
