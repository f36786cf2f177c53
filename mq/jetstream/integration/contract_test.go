package integration_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
	"ipcmq/mq/mqtest"
)

// start starts a server for one test.
func start(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var queues atomic.Int64

// newName returns a name that no queue has yet.
func newName() string { return fmt.Sprintf("queue-%d", queues.Add(1)) }

// openQueue opens a queue for one test.
func openQueue(t testing.TB, url, name string, cfg *jetstream.Config) *jetstream.Queue {
	t.Helper()
	q, err := jetstream.Open(t.Context(), url, name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func TestContract(t *testing.T) {
	contract(t, func(t *testing.T) string { return start(t, nil).URL() }, jetstream.File, jetstream.Memory)
}

// contract tests all kinds of queues that are stored so, each on the server that start
// starts.
func contract(t *testing.T, start func(t *testing.T) (url string), storages ...jetstream.Storage) {
	for _, test := range []struct {
		name string
		cfg  jetstream.Config
	}{
		{"LeaseModeOnDisk", jetstream.Config{Mode: jetstream.LeaseMode, Storage: jetstream.File, AckWait: 300 * time.Millisecond}},
		{"LeaseModeInMemory", jetstream.Config{Mode: jetstream.LeaseMode, Storage: jetstream.Memory, AckWait: 300 * time.Millisecond}},
		{"ClaimModeOnDisk", jetstream.Config{Mode: jetstream.ClaimMode, Storage: jetstream.File}},
		{"ClaimModeInMemory", jetstream.Config{Mode: jetstream.ClaimMode, Storage: jetstream.Memory}},
	} {
		if !slices.Contains(storages, test.cfg.Storage) {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			url := start(t)
			cfg := test.cfg
			cfg.MaxBytes = 2048
			mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
				q := openQueue(t, url, newName(), &cfg)
				t.Cleanup(func() { q.Remove() }) // fails where the test has removed it
				return func() mq.Queue {
					q, err := jetstream.Open(t.Context(), url, q.Name(), nil)
					if err != nil {
						t.Fatal(err)
					}
					return q
				}
			})
		})
	}
}
