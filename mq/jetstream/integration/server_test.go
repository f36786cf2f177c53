package integration_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

var _ mq.Leaser = (*jetstream.Queue)(nil)

func TestAServerAcceptsConnections(t *testing.T) {
	s, err := server.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}
