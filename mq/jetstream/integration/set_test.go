package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

func TestSettingsAreChanged(t *testing.T) { changeSettings(t, start(t, nil).URL()) }

func changeSettings(t *testing.T, url string) {
	for _, mode := range []jetstream.Mode{jetstream.LeaseMode, jetstream.ClaimMode} {
		for _, storage := range []jetstream.Storage{jetstream.File, jetstream.Memory} {
			name := newName()
			q := openQueue(t, url, name, &jetstream.Config{Mode: mode, Storage: storage, MaxBytes: 5000})
			other := openQueue(t, url, name, nil)
			large := mq.Message{Type: 1, Data: make([]byte, 6000)}
			wants(t, other.TrySend(large), mq.ErrTooLarge, "MaxBytes = 5000", "Queue.Set")
			if err := q.Set(t.Context(), func(s *jetstream.Settings) { s.MaxBytes, s.MaxMessages = 50_000, 5 }); err != nil {
				t.Fatal(err)
			}
			if s, err := other.Stat(t.Context()); err != nil || s.MaxBytes != 50_000 || s.MaxMessages != 5 || s.Replicas != 1 {
				t.Fatalf("%+v, %v", s, err)
			}
			for range 5 {
				if err := other.TrySend(large); err != nil {
					t.Fatal(err)
				}
			}
			wants(t, other.TrySend(large), mq.ErrFull)

			// Lower than what is there: nothing is lost.
			if err := q.Set(t.Context(), func(s *jetstream.Settings) { s.MaxBytes, s.MaxMessages = 7000, 1 }); err != nil {
				t.Fatal(err)
			}
			waits := make(chan error)
			go func() { waits <- other.Send(t.Context(), mq.Message{Type: 2}) }()
			for range 5 {
				if m, err := q.Receive(t.Context()); err != nil || len(m.Data) != 6000 {
					t.Fatalf("%d bytes, %v", len(m.Data), err)
				}
			}
			if err := <-waits; err != nil {
				t.Error(err)
			}

			// Senders that wait for room are woken.
			go func() { waits <- other.Send(t.Context(), mq.Message{Type: 3}) }()
			if err := q.Set(t.Context(), func(s *jetstream.Settings) { s.MaxMessages = 0 }); err != nil {
				t.Fatal(err)
			}
			if err := <-waits; err != nil {
				t.Error(err)
			}
		}
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	q := openQueue(t, start(t, nil).URL(), "orders", nil)
	for _, test := range []struct {
		change func(*jetstream.Settings)
		says   string
	}{
		{func(s *jetstream.Settings) { s.MaxBytes = 0 }, "MaxBytes = 0 has no room"},
		{func(s *jetstream.Settings) { s.MaxMessages = -1 }, "MaxMessages = -1"},
		{func(s *jetstream.Settings) { s.Replicas = 0 }, "Replicas = 0"},
		{func(s *jetstream.Settings) { s.Replicas = 3 }, "not so many servers"},
	} {
		wants(t, q.Set(t.Context(), test.change), mq.ErrInvalidConfig, test.says)
	}
	if s, err := q.Stat(t.Context()); err != nil || s.MaxBytes != jetstream.DefaultMaxBytes || s.Replicas != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	wants(t, q.Set(t.Context(), func(*jetstream.Settings) {}), mq.ErrRemoved)
}

// A handle that was open before learns of more room when it needs it.
func TestAnOpenHandleLearnsOfARaisedLimit(t *testing.T) {
	url := start(t, nil).URL()
	q := openQueue(t, url, "orders", &jetstream.Config{MaxBytes: 5000})
	other := openQueue(t, url, "orders", nil)
	if err := q.Set(t.Context(), func(s *jetstream.Settings) { s.MaxBytes = 50_000 }); err != nil {
		t.Fatal(err)
	}
	testutil.Await(t, func() error { return other.TrySend(mq.Message{Type: 1, Data: make([]byte, 6000)}) })
}

func TestLimitsOfServersAndAccountsAreNamed(t *testing.T) {
	limited := start(t, &server.Options{Configure: func(o *natsserver.Options) {
		if err := o.ProcessConfigString(`
			accounts { A { users: [{user: a, password: a}], jetstream: {max_store: 100k, max_mem: 50k, max_streams: 2, max_consumers: 2} } }
		`); err != nil {
			t.Fatal(err)
		}
	}})
	url := strings.Replace(limited.URL(), "nats://", "nats://a:a@", 1)
	_, err := jetstream.Open(t.Context(), url, "large", &jetstream.Config{MaxBytes: 200_000})
	wants(t, err, jetstream.ErrLimit, "MaxBytes")
	_, err = jetstream.Open(t.Context(), url, "large", &jetstream.Config{MaxBytes: 200_000, Storage: jetstream.Memory})
	wants(t, err, jetstream.ErrLimit, "MaxBytes")
	q := openQueue(t, url, "one", &jetstream.Config{MaxBytes: 40_000})
	openQueue(t, url, "two", &jetstream.Config{MaxBytes: 40_000})
	_, err = jetstream.Open(t.Context(), url, "three", &jetstream.Config{MaxBytes: 1000})
	wants(t, err, jetstream.ErrLimit, "max_streams")
	wants(t, q.Set(t.Context(), func(s *jetstream.Settings) { s.MaxBytes = 500_000 }), jetstream.ErrLimit, "MaxBytes")
	for typ := range int64(2) {
		if _, err := q.SelectLeases(mq.Type(typ + 1)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = q.SelectLeases(mq.Type(3))
	wants(t, err, jetstream.ErrLimit, "max_consumers", "mq.Any()")
}

func TestThousandsOfTypesCanBeLeased(t *testing.T) {
	q := openQueue(t, start(t, nil).URL(), "orders", &jetstream.Config{Storage: jetstream.Memory})
	for typ := int64(1); typ <= 1100; typ++ {
		r, err := q.Select(mq.Type(typ))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
			t.Fatalf("type %d: %v", typ, err)
		}
	}
}

func TestAServerThatIsTooOldIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintf(c, "INFO {\"server_id\":\"x\",\"version\":\"2.9.25\",\"max_payload\":1048576,\"headers\":true}\r\n")
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if lines.Text() == "PING" {
						fmt.Fprintf(c, "PONG\r\n")
					}
				}
			}()
		}
	}()
	_, err = jetstream.Open(t.Context(), "nats://"+l.Addr().String(), "orders", nil)
	wants(t, err, errors.ErrUnsupported, "version 2.9.25", "2.10 or later")
}

// A queue of another domain, and one of another account, are not those of the connected
// server.
func TestQueuesOfOtherDomainsAndAccounts(t *testing.T) {
	var hubOptions *natsserver.Options
	hub := start(t, &server.Options{Configure: func(o *natsserver.Options) {
		hubOptions = o
		if err := o.ProcessConfigString(`
			server_name: hub
			jetstream { domain: hub }
			leafnodes { listen: "127.0.0.1:-1" }
		`); err != nil {
			t.Fatal(err)
		}
	}})
	leaf := start(t, &server.Options{Configure: func(o *natsserver.Options) {
		if err := o.ProcessConfigString(fmt.Sprintf(`
			server_name: leaf
			jetstream { domain: leaf }
			leafnodes { remotes: [{url: "nats://127.0.0.1:%d"}] }
		`, hubOptions.LeafNode.Port)); err != nil {
			t.Fatal(err)
		}
	}})
	testutil.Await(t, func() error {
		if leaf.NATS().NumLeafNodes() == 0 {
			return errors.New("the leaf node is not connected")
		}
		return nil
	})
	atHub := openQueue(t, hub.URL(), "orders", nil)
	testutil.Await(t, func() error { // until the leaf node knows the subjects of the hub
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		q, err := jetstream.Open(short, leaf.URL(), "orders", &jetstream.Config{Domain: "hub", OpenOnly: true})
		if err == nil {
			q.Close()
		}
		return err
	})
	away := openQueue(t, leaf.URL(), "orders", &jetstream.Config{Domain: "hub", OpenOnly: true})
	testutil.Await(t, func() error { return away.TrySend(mq.Message{Type: 1, Data: []byte("hello")}) })
	if m, err := atHub.Receive(t.Context()); err != nil || string(m.Data) != "hello" {
		t.Errorf("%q, %v", m.Data, err)
	}
	if err := atHub.Send(t.Context(), mq.Message{Type: 2, Data: []byte("back")}); err != nil {
		t.Fatal(err)
	}
	r, err := away.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	lease, err := r.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Ack(t.Context()); err != nil {
		t.Error(err)
	}
	if s, err := atHub.Stat(t.Context()); err != nil || s.Messages != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	own, err := jetstream.Open(t.Context(), leaf.URL(), "orders", &jetstream.Config{OpenOnly: true})
	if err == nil {
		own.Close()
		t.Error("the queue is there without its domain")
	}
}

// A cluster is built so that one of its servers may fail.
func TestAQueueOfAClusterHasReplicas(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3)
	q := openQueue(t, c.URL(), "orders", nil)
	replicas := func(want int) {
		t.Helper()
		if s, err := q.Stat(t.Context()); err != nil || s.Replicas != want {
			t.Fatalf("%+v, %v; want %d replicas", s, err, want)
		}
	}
	replicas(3)
	for _, n := range []int{1, 3} {
		if err := q.Send(t.Context(), mq.Message{Type: 1, Data: fmt.Append(nil, n)}); err != nil {
			t.Fatal(err)
		}
		if err := q.Set(t.Context(), func(s *jetstream.Settings) { s.Replicas = n }); err != nil {
			t.Fatal(err)
		}
		replicas(n)
	}
	wants(t, q.Set(t.Context(), func(s *jetstream.Settings) { s.Replicas = 5 }), mq.ErrInvalidConfig, "not so many servers")
	for _, want := range []string{"1", "3"} {
		if m, err := q.Receive(t.Context()); err != nil || string(m.Data) != want {
			t.Errorf("%q, %v; want %s", m.Data, err, want)
		}
	}
}
