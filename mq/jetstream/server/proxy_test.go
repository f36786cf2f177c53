package server_test

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
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

	// What the test sets before clients connect: they report whether a frame
	// passes.
	toServer, toClient func(*frame) bool
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
	all := func(*frame) bool { return true }
	p := &proxy{listener: l, server: strings.TrimPrefix(url, "nats://"), url: "nats://" + l.Addr().String(),
		conns: make(map[net.Conn]struct{}), toServer: all, toClient: all}
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
		p.serving.Go(func() { p.pass(client, server, p.toServer) })
		p.serving.Go(func() { p.pass(server, client, p.toClient) })
	}
}

func (p *proxy) pass(from, to net.Conn, passes func(*frame) bool) {
	defer to.Close()
	defer from.Close()
	r := bufio.NewReader(from)
	for {
		f, err := readFrame(r)
		if err != nil {
			return
		}
		if passes(f) {
			if _, err := to.Write(f.raw); err != nil {
				return
			}
		}
		if f.last {
			p.cut()
		}
	}
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

// An answerTo is the answer to a request whose subject has a part: of the first
// such request, or of all.
type answerTo struct {
	part string
	all  bool

	mu      sync.Mutex
	replies map[string]bool
	n       int // requests seen
}

// asked notes the request, and reports whether f is one. It passes.
func (a *answerTo) asked(f *frame) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f.reply == "" || !strings.Contains(f.operation, "PUB") || !strings.Contains(f.subject, a.part) {
		return false
	}
	if a.n++; a.n == 1 || a.all {
		if a.replies == nil {
			a.replies = make(map[string]bool)
		}
		a.replies[f.reply] = true
	}
	return true
}

// is reports whether f is the answer.
func (a *answerTo) is(f *frame) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.HasSuffix(f.operation, "MSG") && a.replies[f.subject]
}

// requests returns how many requests there were.
func (a *answerTo) requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n
}
