package integration_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A proxy passes what clients and a server send each other, and can interfere:
// it loses answers and ends connections at moments that matter.
type proxy struct {
	listener net.Listener
	server   string
	url      string
	serving  sync.WaitGroup

	mu      sync.Mutex
	refuses bool
	conns   map[net.Conn]struct{}

	expected *answers
}

// A frame is one message of the NATS protocol.
type frame struct {
	operation string // such as "PUB"
	subject   string // of a message
	reply     string // where its answer goes, or ""
	raw       []byte
	last      bool // ends all connections once it has passed
}

func startProxy(t *testing.T, url string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: strings.TrimPrefix(url, "nats://"), url: "nats://" + l.Addr().String(),
		conns: make(map[net.Conn]struct{})}
	p.serving.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.serving.Wait()
	})
	return p
}

// cut ends all connections, and refuses others until join is called.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = true
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = false
}

// keep notes a connection to end, and reports whether it may live.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return !p.refuses
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		if !p.keep(client, server) {
			client.Close()
			server.Close()
			continue
		}
		p.serving.Go(func() { p.pass(client, server) })
		p.serving.Go(func() { p.pass(server, client) })
	}
}

func (p *proxy) pass(from, to net.Conn) {
	defer to.Close()
	defer from.Close()
	r := bufio.NewReader(from)
	for {
		f, err := readFrame(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		expected := p.expected
		p.mu.Unlock()
		if expected.pass(f) {
			if _, err := to.Write(f.raw); err != nil {
				return
			}
		}
		if f.last {
			p.cut()
		}
	}
}

// answer replaces the text of an answer.
func (f *frame) answer(text string) {
	words := strings.Fields(string(f.raw[:bytes.IndexByte(f.raw, '\n')]))
	f.raw = fmt.Appendf(nil, "MSG %s %s %d\r\n%s\r\n", f.subject, words[2], len(text), text)
}

func readFrame(r *bufio.Reader) (*frame, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	f := &frame{raw: []byte(line)}
	words := strings.Fields(line)
	if len(words) < 3 {
		return f, nil
	}
	f.operation = words[0]
	sizes, least := 1, 0 // numbers at the end, and words without a reply
	switch f.operation {
	case "PUB":
		least = 3
	case "HPUB":
		sizes, least = 2, 4
	case "MSG":
		least = 4
	case "HMSG":
		sizes, least = 2, 5
	default:
		return f, nil
	}
	f.subject = words[1]
	if len(words) > least {
		f.reply = words[len(words)-1-sizes]
	}
	size, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		return nil, err
	}
	body := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	f.raw = append(f.raw, body...)
	return f, nil
}

// answers are those to requests whose subject has a part.
type answers struct {
	part   string
	change func(*frame) bool // does something to an answer, and reports whether it passes

	mu       sync.Mutex
	replies  map[string]bool // subjects of answers that are expected
	requests int
}

// to makes the proxy watch for requests whose subject has a part. It calls change
// with their answers, which reports whether they pass.
func (p *proxy) to(part string, change func(*frame) bool) *answers {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = &answers{part: part, change: change, replies: make(map[string]bool)}
	return p.expected
}

func (a *answers) pass(f *frame) bool {
	if a == nil {
		return true
	}
	a.mu.Lock()
	if strings.HasSuffix(f.operation, "PUB") && f.reply != "" && strings.Contains(f.subject, a.part) {
		a.requests++
		a.replies[f.reply] = true
	}
	is := strings.HasSuffix(f.operation, "MSG") && a.replies[f.subject]
	a.mu.Unlock()
	return !is || a.change(f)
}

// count returns how many requests there were.
func (a *answers) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// lose loses an answer.
func lose(*frame) bool { return false }

// pass lets an answer pass.
func pass(*frame) bool { return true }

// first calls change for the first answer, and lets others pass.
func first(change func(*frame) bool) func(*frame) bool {
	var seen atomic.Bool
	return func(f *frame) bool { return seen.Swap(true) || change(f) }
}
