package export_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"ipcmq/cmd/internal/export"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func TestMain(m *testing.M) {
	testutil.Main(m, map[string]func(){"receiver": receiver, "client": client, "holder": holder})
}

var ctx = context.Background()

// receiver waits for a message in the queue with the given id.
func receiver() {
	q, err := openID(os.Args[1])
	if err == nil {
		_, err = q.Receive(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// client creates an inbox and exits without removing it.
func client() {
	q, err := openID(os.Args[1])
	if err == nil {
		_, err = q.NewInbox()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func openID(text string) (*sysv.Queue, error) {
	id := 0
	if _, err := fmt.Sscan(text, &id); err != nil {
		return nil, err
	}
	return sysv.OpenID(id, nil)
}

func newSysV(t *testing.T, key sysv.Key) *sysv.Queue {
	t.Helper()
	q, err := sysv.Open(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	return q
}

func newPosix(t *testing.T, name string) *posix.Queue {
	t.Helper()
	q, err := posix.Open(name, &posix.Config{MaxMessages: 4, MaxMessageSize: 16, Blocking: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Unlink(); q.Close() })
	return q
}

func send(t *testing.T, q mq.Sender, data string) {
	t.Helper()
	if err := q.TrySend(mq.Message{Type: 1, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

// gather returns the values of all metrics, by their names and labels.
func gather(t *testing.T, m *export.Metrics) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, sample := range f.GetMetric() {
			var labels []string
			for _, l := range sample.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			slices.Sort(labels)
			values[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = sample.GetGauge().GetValue()
		}
	}
	return values
}

// count returns how many metrics have a name.
func count(values map[string]float64, name string) (n int) {
	for key := range values {
		if strings.HasPrefix(key, name+"{") {
			n++
		}
	}
	return n
}
