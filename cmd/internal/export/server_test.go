package export_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ipcmq/cmd/internal/collect"
	"ipcmq/cmd/internal/export"
	"ipcmq/internal/testutil"
	"ipcmq/mq/sysv"
)

// serve serves metrics, and returns the address and a function that ends the server and
// waits for it.
func serve(t *testing.T, c export.Config) (url string, end func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- export.Serve(ctx, l, export.New(c)) }()
	end = sync.OnceValue(func() error { cancel(); return <-served })
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String(), end
}

// get sends one request, over a connection of its own.
func get(url string) (status int, body string, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestServe(t *testing.T) {
	testutil.NeedNamespace(t)
	send(t, newSysV(t, 42), "hello")
	url, end := serve(t, export.Config{MaxQueues: 10})
	for path, want := range map[string]int{"/metrics": 200, "/": 200, "/nothing": 404} {
		status, body, err := get(url + path)
		if err != nil || status != want {
			t.Errorf("%s: status %d, %v", path, status, err)
		}
		if path == "/metrics" && !(strings.Contains(body, "\nipcmq_queue_messages{kind=\"sysv\",queue=\"0x0000002a\"} 1\n") && strings.Contains(body, "\ngo_goroutines ")) {
			t.Errorf("%s", body)
		}
	}
	if resp, err := http.Post(url+"/metrics", "text/plain", strings.NewReader("x")); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", resp, err)
	} else {
		resp.Body.Close()
		http.DefaultClient.CloseIdleConnections()
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if _, _, err := get(url + "/metrics"); err == nil {
		t.Error("it still answers")
	}
}

// Scrapes that arrive before the next look begins share it.
func TestSimultaneousScrapesShareALook(t *testing.T) {
	testutil.NeedNamespace(t)
	for range 100 {
		newSysV(t, sysv.Private)
	}
	var looks, refused atomic.Int64
	first, proceed := make(chan struct{}), make(chan struct{})
	url, _ := serve(t, export.Config{MaxQueues: 1000, OnCollect: func(*collect.Host) {
		if looks.Add(1) == 1 {
			close(first)
			<-proceed
		}
	}})
	const scrapes = 30
	var all sync.WaitGroup
	scrape := func() {
		switch status, body, err := get(url + "/metrics"); {
		case err == nil && status == http.StatusServiceUnavailable:
			refused.Add(1)
		case err != nil || status != http.StatusOK || strings.Count(body, "\nipcmq_queue_messages{") != 100:
			t.Errorf("status %d, %v, %d bytes", status, err, len(body))
		}
	}
	all.Go(scrape)
	<-first
	for range scrapes - 1 {
		all.Go(scrape)
	}
	testutil.Await(t, func() error { // scrapes above the limit are refused during the first look
		if refused.Load() < scrapes-10 {
			return errors.New("not all were refused")
		}
		return nil
	})
	close(proceed)
	all.Wait()
	if n := looks.Load(); n != 2 || refused.Load() != scrapes-10 {
		t.Errorf("%d looks, %d refused", n, refused.Load())
	}
}

// A scrape that is running when the server ends is answered.
func TestAScrapeIsAnsweredBeforeTheServerEnds(t *testing.T) {
	testutil.NeedNamespace(t)
	first, proceed := make(chan struct{}), make(chan struct{})
	url, end := serve(t, export.Config{OnCollect: func(*collect.Host) { close(first); <-proceed }})
	answered := make(chan error, 1)
	go func() {
		status, _, err := get(url + "/metrics")
		if err == nil && status != http.StatusOK {
			err = errors.New(http.StatusText(status))
		}
		answered <- err
	}()
	<-first
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	testutil.Await(t, func() error { // it accepts no more connections
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			c.Close()
			return errors.New("it still listens")
		}
		return nil
	})
	close(proceed)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAFileIsAlwaysComplete(t *testing.T) {
	testutil.NeedNamespace(t)
	for range 50 {
		newSysV(t, sysv.Private)
	}
	name := filepath.Join(t.TempDir(), "ipcmq.prom")
	m := export.New(export.Config{MaxQueues: 1000})
	if err := export.WriteFile(name, m); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		for range 20 {
			if err := export.WriteFile(name, m); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for reading := true; reading; {
		select {
		case err := <-written:
			if err != nil {
				t.Error(err)
			}
			reading = false
		default:
		}
		b, err := os.ReadFile(name)
		if err != nil || strings.Count(string(b), "\nipcmq_queue_messages{") != 50 || !strings.Contains(string(b), "\nipcmq_unseen{what=\"waiting_processes\"} ") {
			t.Fatalf("%v: %s", err, b)
		}
	}
	info, err := os.Stat(name)
	left, _ := os.ReadDir(filepath.Dir(name))
	if err != nil || info.Mode() != 0o644 || len(left) != 1 {
		t.Errorf("%v, %v, %v", info, err, left)
	}
	if err := export.WriteFile(filepath.Join(name, "no", "directory"), m); err == nil {
		t.Error("it was written")
	}
}
