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

// files are those of the page, and their types.
var files = map[string]struct{ name, kind string }{
	"/{$}":      {"page/index.html", "text/html; charset=utf-8"},
	"/page.css": {"page/page.css", "text/css; charset=utf-8"},
	"/page.js":  {"page/page.js", "text/javascript; charset=utf-8"},
	"/kit.js":   {"page/kit.js", "text/javascript; charset=utf-8"},
	"/list.js":  {"page/list.js", "text/javascript; charset=utf-8"},
	"/queue.js": {"page/queue.js", "text/javascript; charset=utf-8"},
	"/icon.svg": {"page/icon.svg", "image/svg+xml"},
}

// A Finding is what a check of the host has found.
type Finding struct {
	Level  string `json:"level"` // ok, note or WRONG
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// Config says what a server shows.
type Config struct {
	// Hosts are names by which browsers may ask for the page, besides localhost and
	// addresses in digits.
	Hosts []string

	// Diagnose checks the host. Nil means that there are no findings.
	Diagnose func() []Finding

	// Explain returns the text of an error. Nil means Error.
	Explain func(error) string

	// Interval is how often the page changes; 0 means a second.
	Interval time.Duration

	// Patience is how long a browser may take for what it is sent at once; 0 means
	// 10 seconds.
	Patience time.Duration
}

// A Server shows the queues of this host. It looks at them while somebody watches,
// and for a minute after that, so that a page that is loaded again has its history.
type Server struct {
	config  Config
	token   string
	host    string // the name of this one
	watch   *watch
	streams chan struct{} // one is taken by each page that is open
	peeks   chan struct{} // one is taken by each that has messages read
}

const (
	maxStreams = 64 // pages open at a time
	maxPeeks   = 4  // requests at a time that read messages

	// endTime is how long requests may take when the server is to end.
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
	if c.Patience == 0 {
		c.Patience = 10 * time.Second
	}
	s := &Server{config: c, token: rand.Text(), streams: make(chan struct{}, maxStreams), peeks: make(chan struct{}, maxPeeks)}
	s.host, _ = os.Hostname() // it is shown, no more
	s.watch = newWatch(c)
	return s
}

// URL returns where the page is if the server listens at an address.
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
			err = h.Close() // whoever is still connected reads too slowly
		}
		ended <- err
	})
	err := h.Serve(l)
	if stop() {
		return err // it could not accept
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
			panic(err) // it is in the program
		}
		paths.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.kind)
			_, _ = w.Write(content) // or whoever asked has gone
		})
	}
	paths.Handle("GET /api/queues", s.withToken(s.queues))
	paths.Handle("GET /api/queue", s.withToken(s.queue))
	paths.Handle("GET /api/messages", s.withToken(s.messages))
	paths.Handle("GET /api/message", s.withToken(s.message))
	return s.guard(paths)
}

// A problem is why a request has no other answer.
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
	_, _ = w.Write(b) // or whoever asked has gone
}
