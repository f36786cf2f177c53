package main

import (
	"context"
	"time"

	"ipcmq/internal/reader"
	"ipcmq/mq"
	"ipcmq/mux"
	"ipcmq/stream"
)

// A layer is one way to use a queue through the library.
type layer struct {
	name string

	// receive passes the payloads of q to handle, in order, until handle returns
	// false. They are valid only during the call.
	receive func(ctx context.Context, q mq.Queue, handle func(data []byte) bool) error

	// requests, if not nil, sets call or serve, as the role of j needs.
	requests func(j job, e *end, out, in mq.Queue) error

	// header is the maximum size of a message without its payload, in bytes.
	header int

	// frames, if not nil, makes both sides use package batch: a frame is flushed when
	// it is full, or has this many messages, if that is more than 0.
	frames *int
}

// The names of the layers.
const (
	raw          = "raw"      // only system calls
	rawSpin      = "raw+spin" // the same, polling
	receiveInto  = "ReceiveInto"
	receive      = "Receive"
	all          = "All"
	intoSpin     = "ReceiveInto+spin" // of package reader
	channel      = "channel"          // of a stream
	channelSpin  = "channel+spin"
	channelSleep = "channel-spin" // sleeps at once
	subscription = "subscription" // of a mux, to all types
	request      = "Request"      // of an rpc client, and rpc.Handle
	requestSleep = "Request-spin"
	sendOnly     = "Send" // for processes that receive nothing

	batchAll     = "batch All" // of package batch, in full frames
	batchInto    = "batch AllInto"
	batchChannel = "batch channel"
	batchOf8     = "batch of 8 channel" // flushed after every 8

	largeInto    = "large ReceiveInto"
	largeReceive = "large Receive"
	largeLending = "large ReceiveInto, key" // of a queue that lends

	leaseAndAck   = "Lease, Ack"
	leaseHandle   = "lease.Handle"
	leaseHandle16 = "lease.Handle of 16" // Concurrency
)

// spinTime is how long spinning layers spin before they sleep: longer than the other
// side takes, so that they never sleep while both run.
const spinTime = 200 * time.Microsecond

// layers are the layers that every backend has.
var layers = []layer{
	{name: receiveInto, receive: loopReceiveInto},
	{name: receive, receive: loopReceive},
	{name: all, receive: rangeAll},
	{name: intoSpin, receive: loopSpinning},
	{name: channel, receive: rangeChannel},
	{name: channelSpin, receive: rangeChannelSpinning},
	{name: channelSleep, receive: rangeChannelSleeping},
	{name: subscription, receive: rangeSubscription},
	{name: request, requests: requestReply(0), header: 512},
	{name: requestSleep, requests: requestReply(-1), header: 512},
	{name: sendOnly},
	{name: batchAll, receive: rangeAll, frames: new(0)},
	{name: batchInto, receive: rangeAllInto, frames: new(0)},
	{name: batchChannel, receive: rangeChannel, frames: new(0)},
	{name: batchOf8, receive: rangeChannel, frames: new(8)},
}

func loopReceiveInto(ctx context.Context, q mq.Queue, handle func(data []byte) bool) error {
	return into(ctx, q, handle)
}

func loopSpinning(ctx context.Context, q mq.Queue, handle func(data []byte) bool) error {
	return into(ctx, reader.Polling(q, spinTime), handle)
}

func into(ctx context.Context, r mq.Receiver, handle func(data []byte) bool) error {
	var m mq.Message
	for {
		if err := r.ReceiveInto(ctx, &m); err != nil {
			return err
		}
		if !handle(m.Data) {
			return nil
		}
	}
}

func loopReceive(ctx context.Context, q mq.Queue, handle func(data []byte) bool) error {
	for {
		m, err := q.Receive(ctx)
		if err != nil {
			return err
		}
		if !handle(m.Data) {
			return nil
		}
	}
}

func rangeAll(ctx context.Context, q mq.Queue, handle func(data []byte) bool) error {
	for m, err := range mq.All(ctx, q) {
		if err != nil {
			return err
		}
		if !handle(m.Data) {
			return nil
		}
	}
	return nil
}

func rangeAllInto(ctx context.Context, q mq.Queue, handle func(data []byte) bool) error {
	for m, err := range mq.AllInto(ctx, q) {
		if err != nil {
			return err
		}
		if !handle(m.Data) {
			return nil
		}
	}
	return nil
}

func rangeChannel(_ context.Context, q mq.Queue, handle func(data []byte) bool) error {
	return rangeStream(q, nil, handle)
}

func rangeChannelSpinning(_ context.Context, q mq.Queue, handle func(data []byte) bool) error {
	return rangeStream(q, &stream.Config{Spin: spinTime}, handle)
}

func rangeChannelSleeping(_ context.Context, q mq.Queue, handle func(data []byte) bool) error {
	return rangeStream(q, &stream.Config{Spin: -1}, handle)
}

func rangeStream(q mq.Queue, cfg *stream.Config, handle func(data []byte) bool) error {
	s, err := stream.New(q, cfg)
	if err != nil {
		return err
	}
	for m := range s.Messages() {
		if !handle(m.Data) {
			return s.Close()
		}
	}
	return s.Err()
}

func rangeSubscription(_ context.Context, q mq.Queue, handle func(data []byte) bool) error {
	m, err := mux.New(q, nil)
	if err != nil {
		return err
	}
	s, err := m.Subscribe(mq.Any(), nil)
	if err != nil {
		return err
	}
	for msg := range s.Messages() {
		if !handle(msg.Data) {
			return m.Close()
		}
	}
	return m.Err()
}
