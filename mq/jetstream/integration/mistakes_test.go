package integration_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

func TestErrorsShowNoPasswords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		servers string
		says    string
		kind    error
	}{
		{"nats://a:hush@127.0.0.1:1", "nats://a:xxxxx@127.0.0.1:1", mq.ErrUnavailable},
		{"nats://a:hush@127.0.0.1:1, nats://b:hush@127.0.0.1:2", "nats://a:xxxxx@127.0.0.1:1,nats://b:xxxxx@127.0.0.1:2", mq.ErrUnavailable},
		{"nats://hush@127.0.0.1:1", "nats://xxxxx@127.0.0.1:1", mq.ErrUnavailable},
		{"a:hush@127.0.0.1:1", "nats://a:xxxxx@127.0.0.1:1", mq.ErrUnavailable},
		{"hush@127.0.0.1:1", "nats://xxxxx@127.0.0.1:1", mq.ErrUnavailable},
		{"nats://127.0.0.1:1/hush?token=hush#hush", "nats://127.0.0.1:1", mq.ErrUnavailable},
		{"nats://a:hush@127.0.0.1:port", "an address that is no URL", mq.ErrInvalidConfig},
		{"nats://a:%hush@127.0.0.1:1", "an address that is no URL", mq.ErrInvalidConfig},
		{"nats://a:hu/sh@127.0.0.1:1,nats://127.0.0.1:2", "an address that is no URL,nats://127.0.0.1:2", mq.ErrInvalidConfig},
		{"a:hush@127.0.0.1:1,nats://a:hush%zz@127.0.0.1:2", "nats://a:xxxxx@127.0.0.1:1,an address that is no URL", mq.ErrInvalidConfig},
		{"nats://a:hush@127.0.0.1:1,ws://b:hush@127.0.0.1:2", "mixing of websocket", mq.ErrInvalidConfig},
	} {
		_, err := jetstream.Open(t.Context(), c.servers, "orders", nil)
		wants(t, err, c.kind, c.says)
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), "hu") {
				t.Errorf("%q", e)
			}
		}
	}
}

// badFile makes a file that has neither certificates nor credentials.
func badFile(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(name, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// None of them is a server that may come back.
func TestMistakesInOptionsAreInvalidConfig(t *testing.T) {
	t.Parallel()
	bad := badFile(t)
	for name, option := range map[string]nats.Option{
		"no certificates":  nats.RootCAs(bad),
		"no such file":     nats.RootCAs(bad + "2"),
		"no key pair":      nats.ClientCert(bad, bad),
		"no credentials":   nats.UserCredentials(bad),
		"two credentials":  func(o *nats.Options) error { o.Nkey = "U"; return nats.UserCredentials(bad)(o) },
		"negative timeout": nats.Timeout(-1),
	} {
		_, err := jetstream.Open(t.Context(), "nats://127.0.0.1:1", "orders", &jetstream.Config{NATS: []nats.Option{option}})
		if !errors.Is(err, mq.ErrInvalidConfig) || errors.Is(err, mq.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, id := newKernelQueue(t)
	startBridge(t, "-ca", bad, id, "js:orders").wait(t, 2, "failed to parse root certificate", "see ipcmq-bridge -h")
	startBridge(t, "-cert", bad, "-key", bad, id, "js:orders").wait(t, 2, "client certificate")
	startBridge(t, "-creds", bad, id, "js:orders").wait(t, 2, "the credentials in NATS")
	startBridge(t, "-server", "nats://127.0.0.1:port", id, "js:orders").wait(t, 2, "an address that is no URL")
}

func TestOptionsForDialingAreHeeded(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	dials := 0
	dialer := &net.Dialer{Control: func(string, string, syscall.RawConn) error { dials++; return nil }}
	custom := &countingDialer{}
	for name, option := range map[string]nats.Option{"Dialer": nats.Dialer(dialer), "SetCustomDialer": nats.SetCustomDialer(custom)} {
		q := openQueue(t, url, "dialed", &jetstream.Config{NATS: []nats.Option{option}})
		if err := q.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if dials != 1 || custom.dials != 1 {
		t.Errorf("dialed %d and %d times", dials, custom.dials)
	}
}

type countingDialer struct{ dials int }

func (d *countingDialer) Dial(network, address string) (net.Conn, error) {
	d.dials++
	return net.DialTimeout(network, address, time.Second)
}
