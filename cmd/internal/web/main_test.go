package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ipcmq/cmd/internal/web"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"client": client}) }

// client creates two inboxes, one of which has a key, and exits without removing them.
func client() {
	for _, keys := range []bool{false, true} {
		q, err := sysv.Open(42, &sysv.Config{OpenOnly: true, InboxKeys: keys})
		if err == nil {
			_, err = q.NewInbox()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// A site is a server and its token.
type site struct {
	url, token string
	end        func() error // ends the server and waits for it
}

func serve(t *testing.T, c web.Config) site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, c)
}

func serveOn(t *testing.T, l net.Listener, c web.Config) site {
	t.Helper()
	if c.Interval == 0 {
		c.Interval = 20 * time.Millisecond
	}
	s := web.New(c)
	u, err := url.Parse(s.URL(l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	token, ok := strings.CutPrefix(u.Fragment, "token=")
	if !ok || len(token) < 26 || u.RawQuery != "" {
		t.Fatalf("the URL is %v", u)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	end := sync.OnceValue(func() error { cancel(); return <-served })
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return site{"http://" + u.Host, token, end}
}

// request returns a request with the token; headers are in pairs.
func (s site) request(t *testing.T, method, path string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return r
}

// get returns the status of an answer, and reads the answer into v if it is 200.
func (s site) get(t *testing.T, path string, v any, headers ...string) (status int, problem string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(s.request(t, "GET", path, headers...))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		var p struct{ Error string }
		if err := json.Unmarshal(b, &p); err != nil || p.Error == "" {
			t.Errorf("%s: %s: %s, %v", path, resp.Status, b, err)
		}
		return resp.StatusCode, p.Error
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Errorf("%s: %v: %.200s", path, err, b)
	}
	return resp.StatusCode, ""
}

// An events reads a stream.
type events struct {
	r *bufio.Reader
}

func (s site) events(t *testing.T, path string) events {
	t.Helper()
	resp, err := http.DefaultClient.Do(s.request(t, "GET", path))
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %s, %v", path, resp.Status, resp.Header)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return events{bufio.NewReader(resp.Body)}
}

// next reads an event into v and returns its name.
func (e events) next(t *testing.T, v any) string {
	t.Helper()
	var lines [3]string
	for i := range lines {
		line, err := e.r.ReadString('\n')
		if err != nil {
			t.Fatalf("after %.100q: %v", lines, err)
		}
		lines[i] = strings.TrimSuffix(line, "\n")
	}
	name, ok1 := strings.CutPrefix(lines[0], "event: ")
	data, ok2 := strings.CutPrefix(lines[1], "data: ")
	if !ok1 || !ok2 || lines[2] != "" {
		t.Fatalf("this is no event: %.100q", lines)
	}
	if err := json.Unmarshal([]byte(data), v); err != nil {
		t.Fatalf("%v: %.200s", err, data)
	}
	return name
}

// ends reads until the stream ends.
func (e events) ends(t *testing.T) {
	t.Helper()
	if rest, err := io.ReadAll(e.r); err != nil || len(rest) > 0 {
		t.Errorf("the stream goes on with %.100q, %v", rest, err)
	}
}

// until reads events into v until good returns true.
func (e events) until(t *testing.T, v any, good func() bool) {
	t.Helper()
	testutil.Await(t, func() error {
		if e.next(t, v); !good() {
			return errors.New("no event was good")
		}
		return nil
	})
}

func newSysV(t *testing.T, key sysv.Key, capacity int) *sysv.Queue {
	t.Helper()
	q, err := sysv.Open(key, &sysv.Config{Capacity: capacity})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	return q
}

func newPosix(t *testing.T, name string) *posix.Queue {
	t.Helper()
	testutil.NeedMqueue(t)
	q, err := posix.Open(name, &posix.Config{MaxMessages: 4, MaxMessageSize: 16, Blocking: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Unlink(); q.Close() })
	return q
}

func send(t *testing.T, q mq.Sender, kind int64, data string) {
	t.Helper()
	if err := q.TrySend(mq.Message{Type: kind, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}
