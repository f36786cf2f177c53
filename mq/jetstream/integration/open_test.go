package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

// wants fails the test unless err matches target and its text has all parts.
func wants(t testing.TB, err, target error, parts ...string) {
	t.Helper()
	var e *mq.Error
	if !errors.Is(err, target) || !errors.As(err, &e) {
		t.Fatalf("got error %v (%T), want one that matches %v", err, err, target)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestBadNamesAreRefused(t *testing.T) {
	for _, test := range []struct{ name, says string }{
		{"", "needs a name"},
		{"a.b", `'.' cannot be`},
		{"a b", `' ' cannot be`},
		{"a*", `'*' cannot be`},
		{"a>", `'>' cannot be`},
		{"a/b", `'/' cannot be`},
		{"größe", `'ö' cannot be`},
		{"a\x00", `'\x00' cannot be`},
		{strings.Repeat("a", 129), "129 bytes, the limit is 128"},
	} {
		_, err := jetstream.Open(t.Context(), "nats://127.0.0.1:1", test.name, nil)
		wants(t, err, mq.ErrInvalidConfig, test.says)
	}
	q := openQueue(t, start(t, nil).URL(), "Az09-_"+strings.Repeat("a", 122), nil)
	if err := q.TrySend(mq.Message{Type: 1}); err != nil {
		t.Error(err)
	}
}

func TestConfigsThatCannotBeMeantAreRefused(t *testing.T) {
	for _, test := range []struct {
		cfg  jetstream.Config
		says string
	}{
		{jetstream.Config{Access: 3}, "Access = 3"},
		{jetstream.Config{Exclusive: true, OpenOnly: true}, "contradict"},
		{jetstream.Config{Mode: 3}, "Mode = 3"},
		{jetstream.Config{Storage: 3}, "Storage = 3"},
		{jetstream.Config{MaxBytes: -1}, "MaxBytes = -1"},
		{jetstream.Config{MaxMessages: -1}, "MaxMessages = -1"},
		{jetstream.Config{Replicas: 6}, "Replicas = 6"},
		{jetstream.Config{Domain: "a.b"}, `Domain = "a.b"`},
		{jetstream.Config{APIPrefix: "a..b"}, `APIPrefix = "a..b"`},
		{jetstream.Config{APIPrefix: "a.>"}, `APIPrefix = "a.>"`},
		{jetstream.Config{Domain: "a", APIPrefix: "b"}, "exclude each other"},
		{jetstream.Config{AckWait: time.Millisecond}, "AckWait = 1ms"},
		{jetstream.Config{Mode: jetstream.ClaimMode, AckWait: time.Second}, "no leases in claim mode"},
	} {
		_, err := jetstream.Open(t.Context(), "nats://127.0.0.1:1", "orders", &test.cfg)
		wants(t, err, mq.ErrInvalidConfig, test.says)
	}
	_, err := jetstream.Open(t.Context(), start(t, nil).URL(), "orders", &jetstream.Config{MaxBytes: 50})
	wants(t, err, mq.ErrInvalidConfig, "MaxBytes = 50", "overhead alone is 120 bytes")
}

func TestAQueueThatExistsIsOpenedAsItIs(t *testing.T) {
	url := start(t, nil).URL()
	made := openQueue(t, url, "orders", &jetstream.Config{
		Mode: jetstream.ClaimMode, Storage: jetstream.Memory, MaxBytes: 5000, MaxMessages: 7, Replicas: 1})
	found := openQueue(t, url, "orders", nil)
	if !made.Created() || found.Created() {
		t.Errorf("Created: %v and %v", made.Created(), found.Created())
	}
	s, err := found.Stat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found.Mode() != jetstream.ClaimMode || s.Storage != jetstream.Memory || s.MaxBytes != 5000 || s.MaxMessages != 7 || s.Replicas != 1 || s.AckWait != 0 {
		t.Errorf("got %v, %+v", found, s)
	}
	if can := found.Capabilities(); can.Exclusive || len(can.Selectors) != 4 {
		t.Errorf("got %+v", can)
	}
	if found.String() != "orders (claim mode)" || found.Name() != "orders" {
		t.Errorf("got %v, %s", found, found.Name())
	}
	_, err = found.SelectLeases(mq.Any())
	wants(t, err, errors.ErrUnsupported, "claim mode has no leases")
}

func TestADifferenceToTheQueueNamesBothValues(t *testing.T) {
	url := start(t, nil).URL()
	openQueue(t, url, "lease", &jetstream.Config{MaxBytes: 5000, MaxMessages: 7, AckWait: 9 * time.Second})
	openQueue(t, url, "claim", &jetstream.Config{Mode: jetstream.ClaimMode})
	for _, test := range []struct {
		name string
		cfg  jetstream.Config
		says string
	}{
		{"lease", jetstream.Config{Mode: jetstream.ClaimMode}, "Mode = claim mode, but the queue exists with lease mode"},
		{"claim", jetstream.Config{Mode: jetstream.LeaseMode}, "Mode = lease mode, but the queue exists with claim mode"},
		{"lease", jetstream.Config{Storage: jetstream.Memory}, "Storage = memory, but the queue exists with file"},
		{"claim", jetstream.Config{AckWait: time.Second}, "AckWait = 1s, but the queue exists with no leases"},
	} {
		_, err := jetstream.Open(t.Context(), url, test.name, &test.cfg)
		wants(t, err, mq.ErrInvalidConfig, test.says)
	}
	// Settings that an operator may have changed do not make opening fail.
	q := openQueue(t, url, "lease", &jetstream.Config{Mode: jetstream.LeaseMode, MaxBytes: 6000, MaxMessages: 8, Replicas: 3, AckWait: time.Second})
	s, err := q.Stat(t.Context())
	if err != nil || s.MaxBytes != 5000 || s.MaxMessages != 7 || s.Replicas != 1 || s.AckWait != 9*time.Second {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestExclusiveAndOpenOnly(t *testing.T) {
	url := start(t, nil).URL()
	_, err := jetstream.Open(t.Context(), url, "orders", &jetstream.Config{OpenOnly: true})
	wants(t, err, fs.ErrNotExist, "OpenOnly is set")
	q := openQueue(t, url, "orders", &jetstream.Config{Exclusive: true})
	_, err = jetstream.Open(t.Context(), url, "orders", &jetstream.Config{Exclusive: true})
	wants(t, err, fs.ErrExist, "Exclusive is set")
	openQueue(t, url, "orders", &jetstream.Config{OpenOnly: true})
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	wants(t, q.Remove(), mq.ErrRemoved)
	openQueue(t, url, "orders", &jetstream.Config{Exclusive: true})
}

func TestOneOfManyCreatesTheQueue(t *testing.T) {
	url := start(t, nil).URL()
	for round := range 20 {
		name := fmt.Sprint("orders-", round)
		made := make(chan bool)
		for range 4 {
			go func() {
				q, err := jetstream.Open(t.Context(), url, name, nil)
				if err != nil {
					t.Error(err)
					made <- false
					return
				}
				made <- q.Created()
				q.Close()
			}()
		}
		n := 0
		for range 4 {
			if <-made {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("%d of 4 created the queue", n)
		}
	}
}

func TestAHandleDoesWhatItsAccessAllows(t *testing.T) {
	url := start(t, nil).URL()
	sends := openQueue(t, url, "orders", &jetstream.Config{Access: mq.WriteOnly})
	receives := openQueue(t, url, "orders", &jetstream.Config{Access: mq.ReadOnly})
	if err := sends.TrySend(mq.Message{Type: 1}); err != nil {
		t.Error(err)
	}
	if _, err := receives.TryReceive(); err != nil {
		t.Error(err)
	}
	wants(t, receives.TrySend(mq.Message{Type: 1}), fs.ErrPermission, "read-only")
	_, err := sends.TryReceive()
	wants(t, err, fs.ErrPermission, "write-only")
	_, err = sends.SelectLeases(mq.Any())
	wants(t, err, fs.ErrPermission, "write-only")
}

func TestAStreamThatIsNoQueueIsRefused(t *testing.T) {
	url := start(t, nil).URL()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	api, err := js.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.CreateStream(t.Context(), js.StreamConfig{Name: "IPCMQ_orders", Subjects: []string{"orders"}}); err != nil {
		t.Fatal(err)
	}
	_, err = jetstream.Open(t.Context(), url, "orders", nil)
	wants(t, err, mq.ErrInvalidConfig, "stream IPCMQ_orders exists, and is not a queue")
}

func TestConnectionsThatLoseOrRepeatMessagesAreRefused(t *testing.T) {
	url := start(t, nil).URL()
	connect := func(options ...nats.Option) *nats.Conn {
		t.Helper()
		nc, err := nats.Connect(url, options...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	_, err := jetstream.OpenConn(t.Context(), connect(), "orders", nil)
	wants(t, err, mq.ErrInvalidConfig, "nats.ReconnectBufSize(-1)")
	_, err = jetstream.OpenConn(t.Context(), connect(nats.ReconnectBufSize(-1), nats.NoEcho()), "orders", nil)
	wants(t, err, mq.ErrInvalidConfig, "NoEcho")
	_, err = jetstream.Open(t.Context(), url, "orders", &jetstream.Config{NATS: []nats.Option{nats.ReconnectBufSize(1000)}})
	wants(t, err, mq.ErrInvalidConfig, "nats.ReconnectBufSize(-1)")
	good := connect(nats.ReconnectBufSize(-1))
	_, err = jetstream.OpenConn(t.Context(), good, "orders", &jetstream.Config{NATS: []nats.Option{nats.NoEcho()}})
	wants(t, err, mq.ErrInvalidConfig, "made already")

	// Several queues share one, and leave it open and without subscriptions.
	for range 2 {
		q, err := jetstream.OpenConn(t.Context(), good, "orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.TrySend(mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
			t.Error(err)
		}
		if m, err := q.Receive(t.Context()); err != nil || string(m.Data) != "hello" {
			t.Errorf("got %q, %v", m.Data, err)
		}
		q.Close()
	}
	if !good.IsConnected() {
		t.Error("Close of a queue has closed the connection of the caller")
	}
	if n := good.NumSubscriptions(); n > 1 { // nats.go keeps one for the answers to requests
		t.Errorf("%d subscriptions are left", n)
	}
}

func TestOpenSaysWhyThereIsNoQueue(t *testing.T) {
	_, err := jetstream.Open(t.Context(), "nats://user:secret@127.0.0.1:1", "orders", nil)
	wants(t, err, mq.ErrUnavailable, "no server at nats://user:xxxxx@127.0.0.1:1")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = jetstream.Open(canceled, "nats://127.0.0.1:1", "orders", nil)
	wants(t, err, context.Canceled)

	plain := start(t, &server.Options{Configure: func(o *natsserver.Options) { o.JetStream = false }})
	// Long enough to connect and to get an answer.
	for wait := 100 * time.Millisecond; wait < 20*time.Second; wait *= 2 {
		short, cancel := context.WithTimeout(t.Context(), wait)
		_, err = jetstream.Open(short, plain.URL(), "orders", nil)
		cancel()
		if errors.Is(err, mq.ErrUnavailable) {
			break
		}
	}
	wants(t, err, mq.ErrUnavailable, "no server with JetStream answers")
	wants(t, err, context.DeadlineExceeded)
}
