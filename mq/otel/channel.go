package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"ipcmq/mux"
	"ipcmq/stream"
)

// channelInstruments are the instruments of streams and subscriptions.
type channelInstruments struct {
	delivered metric.Int64ObservableCounter
	blocked   metric.Float64ObservableCounter
	buffered  metric.Int64ObservableGauge
	dropped   metric.Int64ObservableCounter
}

func newChannelInstruments(m metric.Meter) (c channelInstruments, err error) {
	var errs [4]error
	c.delivered, errs[0] = m.Int64ObservableCounter("ipcmq.channel.delivered", metric.WithUnit("{message}"), metric.WithDescription("Messages put into a channel."))
	c.blocked, errs[1] = m.Float64ObservableCounter("ipcmq.channel.blocked", metric.WithUnit("s"), metric.WithDescription("Time spent waiting for room in a channel."))
	c.buffered, errs[2] = m.Int64ObservableGauge("ipcmq.channel.buffered", metric.WithUnit("{message}"), metric.WithDescription("Messages in a channel now."))
	c.dropped, errs[3] = m.Int64ObservableCounter("ipcmq.channel.dropped", metric.WithUnit("{message}"), metric.WithDescription("Messages for which a subscription had no room."))
	return c, errors.Join(errs[:]...)
}

// Stream measures the channel of a stream, under the name destination, until stop is
// called.
func (t *Telemetry) Stream(s *stream.Stream, destination string) (stop func() error, err error) {
	return t.observe(destination, func() mux.SubscriptionStats {
		got := s.Stats()
		return mux.SubscriptionStats{Delivered: got.Delivered, Blocked: got.Blocked, Buffered: got.Buffered}
	})
}

// Subscription measures the channel of a subscription, under the name destination,
// until stop is called.
func (t *Telemetry) Subscription(s *mux.Subscription, destination string) (stop func() error, err error) {
	return t.observe(destination, s.Stats)
}

func (t *Telemetry) observe(destination string, stats func() mux.SubscriptionStats) (stop func() error, err error) {
	attributes := metric.WithAttributeSet(attribute.NewSet(system, semconv.MessagingDestinationName(destination)))
	c := t.channel
	r, err := t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := stats()
		o.ObserveInt64(c.delivered, int64(s.Delivered), attributes)
		o.ObserveFloat64(c.blocked, s.Blocked.Seconds(), attributes)
		o.ObserveInt64(c.buffered, int64(s.Buffered), attributes)
		o.ObserveInt64(c.dropped, int64(s.Dropped), attributes)
		return nil
	}, c.delivered, c.blocked, c.buffered, c.dropped)
	if err != nil {
		return nil, err
	}
	return r.Unregister, nil
}
