package web_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"ipcmq/cmd/internal/web"
	"ipcmq/internal/testutil"
	"ipcmq/mq/sysv"
)

// A browser that reads nothing blocks nobody, and nothing is kept for it.
func TestASlowBrowserHoldsUpNobody(t *testing.T) {
	testutil.NeedNamespace(t)
	for range 100 {
		newSysV(t, sysv.Private, 100)
	}
	s := serveSlowly(t, web.Config{Interval: 2 * time.Millisecond})
	for range 20 {
		s.openSlowly(t)
	}
	var v view
	quick := s.events(t, "/api/queues?count=1000")
	size := func() uint64 {
		for range 30 {
			if quick.next(t, &v); len(v.Rows) != 100 {
				t.Fatalf("%d rows", len(v.Rows))
			}
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	size() // histories grow at first
	size()
	if before, after := size(), size(); after > before+8<<20 {
		t.Errorf("30 snapshots later %d bytes are used instead of %d", after, before)
	}
}

// The stream of a browser that does not read in time ends, so that others have room.
func TestASlowBrowserIsDropped(t *testing.T) {
	testutil.NeedNamespace(t)
	for range 100 {
		newSysV(t, sysv.Private, 100)
	}
	s := serveSlowly(t, web.Config{Interval: 2 * time.Millisecond, WriteTimeout: 100 * time.Millisecond})
	for range 64 {
		s.openSlowly(t)
	}
	testutil.Await(t, func() error {
		resp, err := http.DefaultClient.Do(s.request(t, "GET", "/api/queues"))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
		}
		return err
	})
}

// openSlowly opens a page as a browser that reads only its beginning.
func (s site) openSlowly(t *testing.T) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /api/queues?count=1000 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", s.token)
	if _, err := bufio.NewReaderSize(c, 16).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
}

func serveSlowly(t *testing.T, c web.Config) site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, smallBuffers{l}, c)
}

// smallBuffers makes connections whose writes soon block.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(4096)
	}
	return c, err
}

func TestPagesThatAreOpenHaveALimit(t *testing.T) {
	testutil.NeedNamespace(t)
	newSysV(t, 42, 0)
	s := serve(t, web.Config{})
	var pages []*http.Response
	for range 64 {
		resp, err := http.DefaultClient.Do(s.request(t, "GET", "/api/queues"))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", resp, err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		pages = append(pages, resp)
	}
	if status, problem := s.get(t, "/api/queue?at=42", nil); status != http.StatusServiceUnavailable || !strings.Contains(problem, "64 pages are open") {
		t.Errorf("%d %s", status, problem)
	}
	pages[0].Body.Close()
	testutil.Await(t, func() error {
		resp, err := http.DefaultClient.Do(s.request(t, "GET", "/api/queue?at=42"))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
		}
		return err
	})
}

// With 10,000 queues a page gets only those that it shows.
func TestTenThousandQueues(t *testing.T) {
	testutil.NeedNamespace(t)
	for i := range 10000 {
		q := newSysV(t, sysv.Key(i+1), 100)
		if i == 7777 {
			send(t, q, 1, strings.Repeat("x", 100))
		}
	}
	s := serve(t, web.Config{Interval: 100 * time.Millisecond})
	var v view
	begun := time.Now()
	all := s.events(t, "/api/queues")
	all.next(t, &v)
	if v.SysV != 10000 || v.Chosen != 10000 || len(v.Rows) != 100 || v.Urgent == nil || v.Rows[0].Address != "0x00001e62" {
		t.Fatalf("%d queues, %d chosen, %d rows, the first %+v", v.SysV, v.Chosen, len(v.Rows), v.Rows[0])
	}
	first := time.Since(begun)
	for range 5 {
		all.next(t, &v)
	}
	t.Logf("the first view came after %v, the next five after %v", first, time.Since(begun)-first)
	s.events(t, "/api/queues?filter=1e62").next(t, &v)
	if len(v.Rows) != 1 {
		t.Errorf("%d rows", len(v.Rows))
	}
}
