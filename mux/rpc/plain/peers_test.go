package plain_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc/plain"
)

// Libraries of others, unmodified.
var libraries = []struct {
	name, extension string
	command, probe  []string
	extra           bool // neither Debian nor npm has it
}{
	{"Node's svmq", ".js", []string{"node"}, []string{"node", "-e", "require('svmq')"}, false},
	{"Ruby's sysvmq", ".rb", []string{"ruby"}, []string{"ruby", "-rsysvmq", "-e", ""}, true},
}

// calls is how many calls each test makes.
func calls() int {
	if n, err := strconv.Atoi(os.Getenv("IPCMQ_REQUESTS")); err == nil {
		return n
	}
	return 2000
}

// inEach runs a test with each installed library.
func inEach(t *testing.T, test func(t *testing.T, q *sysv.Queue, start func(program string, args ...string) *exec.Cmd)) {
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			out, err := exec.Command(l.probe[0], l.probe[1:]...).CombinedOutput()
			if err != nil && l.extra && os.Getenv("IPCMQ_PEERS") == "" {
				t.Skipf("left out, since IPCMQ_PEERS is not set: %s", out)
			}
			if err != nil {
				testutil.Lacking(t, fmt.Sprintf("%s: %v: %s", l.name, err, out))
			}
			var key [4]byte
			rand.Read(key[:])
			q, err := sysv.Open(sysv.Key(binary.NativeEndian.Uint32(key[:])|1), &sysv.Config{Exclusive: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { q.Remove(); q.Close() })
			st, err := q.Stat()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			t.Cleanup(cancel)
			test(t, q, func(program string, args ...string) *exec.Cmd {
				cmd := exec.CommandContext(ctx, l.command[0], append([]string{filepath.Join("testdata", program+l.extension), st.Key.String()}, args...)...)
				cmd.Stderr = os.Stderr
				return cmd
			})
		})
	}
}

type numbers struct {
	ID     int   `json:"id"`
	N      int64 `json:"n"`
	Square int64 `json:"square"`
}

var peers = plain.Pattern{RequestType: 100, ReplyType: 200, ID: plain.Field("id")}

func TestServersThatKnowTypesOnlyAnswer(t *testing.T) {
	inEach(t, func(t *testing.T, q *sysv.Queue, start func(string, ...string) *exec.Cmd) {
		server := start("server")
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, q, peers, &plain.ClientConfig{Unmatched: func(m mq.Message) { t.Errorf("unmatched: %s", m.Data) }})
		var callers sync.WaitGroup
		for caller := range 8 {
			callers.Go(func() {
				for i := caller; i < calls(); i += 8 {
					request, _ := json.Marshal(map[string]int{"id": i, "n": i})
					b, err := c.Request(t.Context(), request)
					var got numbers
					if err = errors.Join(err, json.Unmarshal(b, &got)); err != nil || got != (numbers{ID: i, Square: int64(i) * int64(i)}) {
						t.Errorf("%s: %s, %v", request, b, err)
						return
					}
				}
			})
		}
		callers.Wait()
		if err := q.Remove(); err != nil {
			t.Fatal(err)
		}
		if err := server.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestClientsThatKnowTypesOnlyAreAnswered(t *testing.T) {
	inEach(t, func(t *testing.T, q *sysv.Queue, start func(string, ...string) *exec.Cmd) {
		stop := serve(t, q, peers, func(_ context.Context, request []byte) ([]byte, error) {
			var n numbers
			if err := json.Unmarshal(request, &n); err != nil {
				return nil, err
			}
			return json.Marshal(map[string]int64{"id": int64(n.ID), "square": n.N * n.N})
		}, &plain.Config{OnError: func(m mq.Message, err error) { t.Errorf("%s: %v", m.Data, err) }})
		out, err := start("client", strconv.Itoa(calls())).Output()
		if want := fmt.Sprintf("%d right\n", calls()); err != nil || string(out) != want {
			t.Errorf("printed %s, %v", out, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
