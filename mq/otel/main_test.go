package otel_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"ipcmq/internal/testutil"
	"ipcmq/mq/otel"
	"ipcmq/mq/sysv"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"server": server}) }

// A seen is a Telemetry and what it has recorded.
type seen struct {
	*otel.Telemetry
	reader *sdkmetric.ManualReader
	spans  *tracetest.SpanRecorder
	tracer *sdktrace.TracerProvider
}

func newSeen(t testing.TB) *seen {
	t.Helper()
	s := &seen{reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	s.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans))
	var err error
	s.Telemetry, err = otel.New(&otel.Config{
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader)),
		TracerProvider: s.tracer,
		Propagator:     propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// metrics returns sums, gauges and counts of histograms, by name and attributes other
// than the destination.
func (s *seen) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes.Encoded(encoder{}))] = float64(p.Value)
				}
			case metricdata.Sum[float64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes.Encoded(encoder{}))] = p.Value
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes.Encoded(encoder{}))] = float64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes.Encoded(encoder{}))] = float64(p.Count)
				}
			default:
				t.Fatalf("%s is a %T", m.Name, data)
			}
		}
	}
	return values
}

func key(name, attributes string) string { return strings.TrimSpace(name + " " + attributes) }

// ended returns the names of the spans that have ended.
func (s *seen) ended() (names []string) {
	for _, span := range s.spans.Ended() {
		names = append(names, span.Name())
	}
	slices.Sort(names)
	return names
}

func newQueue(t testing.TB, cfg *sysv.Config) *sysv.Queue {
	t.Helper()
	q, err := sysv.Open(sysv.Private, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	return q
}
