package export

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

const (
	// maxScrapes is how many scrapes may run at once; further ones get status 503.
	maxScrapes = 10

	// scrapeTime is how long a scrape may take. By default Prometheus itself gives
	// up after 10 s.
	scrapeTime = 30 * time.Second

	// endTime is how long running scrapes may take when the server ends.
	endTime = 5 * time.Second
)

// Serve answers scrapes of /metrics on l until ctx ends, and then finishes running
// ones. It closes l.
func Serve(ctx context.Context, l net.Listener, m *Metrics) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	paths := http.NewServeMux()
	paths.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: scrapeTime}))
	paths.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!DOCTYPE html><title>ipcmq export</title><a href="/metrics">metrics</a>`) // an error means that the client is gone
	})
	s := &http.Server{
		Handler:           paths,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      scrapeTime + 10*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), endTime)
		defer cancel()
		err := s.Shutdown(ctx)
		if err != nil {
			s.Close() // the remaining clients read too slowly
		}
		ended <- err
	})
	err := s.Serve(l)
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

// WriteFile writes the metrics in the text format to a file that is complete at all
// times: it writes a new file and renames it. Anybody may read it.
func WriteFile(name string, m *Metrics) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	return prometheus.WriteToTextfile(name, registry)
}

// Write writes the metrics in the text format.
func Write(w io.Writer, m *Metrics) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return nil
}
