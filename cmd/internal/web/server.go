package web

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

//go:embed page
var page embed.FS

// files are the files of the page, with their types.
var files = map[string]struct{ name, kind string }{
	"/{$}":      {"page/index.html", "text/html; charset=utf-8"},
	"/page.css": {"page/page.css", "text/css; charset=utf-8"},
	"/page.js":  {"page/page.js", "text/javascript; charset=utf-8"},
	"/kit.js":   {"page/kit.js", "text/javascript; charset=utf-8"},
	"/list.js":  {"page/list.js", "text/javascript; charset=utf-8"},
	"/queue.js": {"page/queue.js", "text/javascript; charset=utf-8"},
	"/icon.svg": {"page/icon.svg", "image/svg+xml"},
}

// A Finding is the result of a check of the host.
type Finding struct {
	Level  string `json:"level"` // ok, note or WRONG
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// Config configures a server.
type Config struct {
	// Hosts are names under which browsers may request the page, in addition to
	// localhost and IP addresses.
	Hosts []string

	// Diagnose checks the host. Nil means that there are no findings.
	Diagnose func() []Finding

	// Explain returns the text of an error. Nil means Error.
	Explain func(error) string

	// Interval is how often the page is updated; 0 means a second.
	Interval time.Duration

	// WriteTimeout is how long a browser may take to read one piece of data; 0 means
	// 10 seconds.
	WriteTimeout time.Duration
}

// A Server shows the queues of this host. It looks at them while somebody watches, and
// for a minute after that, so that a page that is reloaded keeps its history.
type Server struct {
	config  Config
	token   string
	host    string // the name of this host
	watch   *watch
	streams chan struct{} // each open page holds one
	peeks   chan struct{} // each request that reads messages holds one
}

const (
	maxStreams = 64 // pages open at a time
	maxPeeks   = 4  // requests at a time that read messages

	// endTime is how long running requests may take when the server ends.
	endTime = 2 * time.Second
)

// New returns a server with a token of its own.
func New(c Config) *Server {
	if c.Explain == nil {
		c.Explain = error.Error
	}
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 10 * time.Second
	}
	s := &Server{config: c, token: rand.Text(), streams: make(chan struct{}, maxStreams), peeks: make(chan struct{}, maxPeeks)}
	s.host, _ = os.Hostname() // only shown
	s.watch = newWatch(c)
	return s
}

// URL returns the URL of the page if the server listens at an address.
func (s *Server) URL(at net.Addr) string {
	host := at.String()
	if a, ok := at.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		_, port, _ := net.SplitHostPort(host)
		host = net.JoinHostPort("localhost", port)
	}
	return (&url.URL{Scheme: "http", Host: host, Path: "/", Fragment: "token=" + s.token}).String()
}

// Serve answers requests on l until ctx ends. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching.Go(func() { s.watch.run(ctx) })
	h := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second, // no ReadTimeout: it would end the streams
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends the streams
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), endTime)
		defer cancel()
		err := h.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = h.Close() // the remaining clients read too slowly
		}
		ended <- err
	})
	err := h.Serve(l)
	if stop() {
		return err // of Accept
	}
	if err := <-ended; err != nil {
		return err
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) handler() http.Handler {
	paths := http.NewServeMux()
	for path, f := range files {
		content, err := page.ReadFile(f.name)
		if err != nil {
			panic(err) // it is embedded
		}
		paths.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.kind)
			_, _ = w.Write(content) // an error means that the client is gone
		})
	}
	paths.Handle("GET /api/queues", s.withToken(s.queues))
	paths.Handle("GET /api/queue", s.withToken(s.queue))
	paths.Handle("GET /api/messages", s.withToken(s.messages))
	paths.Handle("GET /api/message", s.withToken(s.message))
	return s.guard(paths)
}

// A problem is the answer to a request that failed.
type problem struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, problem{text})
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it holds numbers, times and strings
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // an error means that the client is gone
}
