package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
	"ipcmq/mux"
	"ipcmq/mux/rpc"
	"ipcmq/stream"
)

// Message types of the traffic in these tests.
const (
	streamType = 1 + iota
	subscriptionType
	requestType
)

// Channels are what packages stream, mux and rpc make of one queue, under steady
// traffic: a stream, a subscription, and requests with a handler for them.
type channels struct {
	name    string
	url     string
	queues  []*jetstream.Queue // all handles
	stream  *stream.Stream
	mux     *mux.Mux // with the subscription
	client  *rpc.Client
	handled chan error // what Handle returns, for the requests
	unserve context.CancelFunc
	lines   []*line // of the stream, the subscription and the requests
	end     context.CancelFunc
	senders sync.WaitGroup
	readers sync.WaitGroup
}

// startChannels makes a queue and starts its traffic, with a message in each
// channel every pace at most.
func startChannels(t *testing.T, url, name string, cfg *jetstream.Config, pace time.Duration) *channels {
	t.Helper()
	c := &channels{name: name, url: url, lines: []*line{newLine(name + ": stream"), newLine(name + ": subscription"), newLine(name + ": requests")}}
	open := func() *jetstream.Queue {
		q := openQueue(t, url, name, cfg)
		c.queues = append(c.queues, q)
		return q
	}
	var err error
	if c.stream, err = stream.New(open(), &stream.Config{Select: mq.Type(streamType)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stream.Close() })
	shared := open() // by the mux and Handle
	c.mux, c.client = newMux(t, shared), newClient(t, open())
	sub, err := c.mux.Subscribe(mq.Type(subscriptionType), nil)
	if err != nil {
		t.Fatal(err)
	}
	serving, unserve := context.WithCancel(context.Background())
	c.handled, c.unserve = make(chan error, 1), unserve
	serves := make(chan struct{})
	go func() {
		defer close(serves)
		c.handled <- rpc.Handle(serving, shared, requestType, toUpper, nil)
	}()
	ctx, cancel := context.WithCancel(t.Context())
	c.end = cancel
	t.Cleanup(func() { // even if the test has failed
		cancel()
		c.senders.Wait()
		unserve()
		<-serves
	})
	sender := open()
	for i, messages := range []<-chan mq.Message{c.stream.Messages(), sub.Messages()} {
		l := c.lines[i]
		c.senders.Go(func() { l.send(ctx, t, sender, []int64{streamType, subscriptionType}[i], pace) })
		c.readers.Go(func() {
			for m := range messages {
				l.arrived(string(m.Data))
			}
		})
	}
	c.senders.Go(func() { c.request(ctx, t, c.lines[2], pace) })
	return c
}

// request makes one request after the other until ctx ends. One whose reply is
// lost ends with its deadline, and one that came too late with the server's word.
func (c *channels) request(ctx context.Context, t *testing.T, l *line, pace time.Duration) {
	next := time.NewTicker(pace)
	defer next.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		<-next.C
		number := fmt.Sprint("r", i)
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		got, err := c.client.Request(limited, requestType, []byte(number))
		cancel()
		l.mu.Lock()
		switch {
		case err == nil && string(got) == fmt.Sprint("R", i):
			l.got[number]++
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, mq.ErrInDoubt), isExpired(err):
			l.lost++
		case !t.Failed(): // what follows a failure says nothing
			t.Errorf("%s: request %s: %q, %v", c.name, number, got, err)
		}
		l.mu.Unlock()
	}
}

// isExpired reports whether the server has found that a request came too late.
func isExpired(err error) bool {
	var refused *rpc.RemoteError
	return errors.As(err, &refused) && refused.Code == rpc.CodeExpired
}

// runs returns an error if the stream, the mux or Handle has ended.
func (c *channels) runs() error {
	for what, x := range map[string]interface {
		Done() <-chan struct{}
		Err() error
	}{"stream": c.stream, "mux": c.mux} {
		select {
		case <-x.Done():
			return fmt.Errorf("%s: the %s has ended: %w", c.name, what, x.Err())
		default:
		}
	}
	select {
	case err := <-c.handled:
		return fmt.Errorf("%s: Handle has returned: %w", c.name, err)
	default:
		return nil
	}
}

// await waits until check returns nil, and fails the test if something ends in the
// meantime, or with all details if nothing moves.
func (c *channels) await(t *testing.T, check func() error) {
	t.Helper()
	err := eventually(func() error {
		if err := c.runs(); err != nil {
			t.Fatal(err)
		}
		return check()
	})
	if err != nil {
		logState(t, c.url, streamOf(c.name))
		logStacks(t, "ipcmq/mq/jetstream.(*Queue).begin", "ipcmq/mq/jetstream.(*receiver)", "ipcmq/mq/jetstream.(*Queue).send")
		t.Fatal(err)
	}
}

// advance waits until n more messages have gone through each channel.
func advance(t *testing.T, all []*channels, n int) {
	t.Helper()
	until := map[*line]int{}
	for _, c := range all {
		for _, l := range c.lines {
			until[l] = l.count() + n
		}
	}
	for _, c := range all {
		for _, l := range c.lines {
			c.await(t, func() error {
				if got := l.count(); got < until[l] {
					return fmt.Errorf("%s: %d messages, not %d", l.name, got, until[l])
				}
				return nil
			})
		}
	}
}

// noticed waits until every handle knows that there is no server.
func (c *channels) noticed(t *testing.T) {
	t.Helper()
	for _, q := range c.queues {
		unavailable(t, q)
	}
}

// unavailable waits until a handle knows that there is no server.
func unavailable(t *testing.T, q *jetstream.Queue) {
	t.Helper()
	await(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := q.Stat(ctx); !errors.Is(err, mq.ErrUnavailable) {
			return fmt.Errorf("Stat without a server: %v", err)
		}
		return nil
	})
}

// finish ends the traffic, and fails the test if a message that was sent does not
// arrive or something has ended before.
func finish(t *testing.T, all []*channels) {
	t.Helper()
	for _, c := range all {
		c.end()
	}
	for _, c := range all {
		c.finish(t)
	}
}

func (c *channels) finish(t *testing.T) {
	t.Helper()
	c.senders.Wait()
	again := 0
	for _, l := range c.lines[:2] {
		c.await(t, l.missing)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := errors.Join(c.stream.Shutdown(ctx), c.client.Shutdown(ctx))
	c.unserve()
	if err := errors.Join(err, <-c.handled, c.mux.Shutdown(ctx)); err != nil {
		t.Errorf("%s: %v", c.name, err)
	}
	c.readers.Wait()
	for _, l := range c.lines[:2] {
		for _, n := range l.got {
			again += n - 1
		}
	}
	t.Logf("%s: %d messages by the stream, %d by the subscription, %d of them again; %d requests answered, %d not",
		c.name, c.lines[0].sent, c.lines[1].sent, again, len(c.lines[2].got), c.lines[2].lost)
}

func TestStreamsAndMuxesOutliveARestartOfTheServer(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*server.Node){"killed": (*server.Node).Kill, "stopped": (*server.Node).Stop}
	clusters := map[string]*server.Cluster{}
	var all []*channels
	for how := range ends {
		clusters[how] = startCluster(t, 1)
		for word, mode := range modes {
			all = append(all, startChannels(t, clusters[how].URL(), word+"-"+how, &jetstream.Config{Mode: mode, AckWait: ackWait(mode, 2*time.Second)}, 5*time.Millisecond))
		}
	}
	advance(t, all, 50)
	for how, end := range ends {
		end(clusters[how].Nodes[0])
	}
	var requests []chan error
	for _, c := range all {
		c.noticed(t)
		requests = append(requests, c.ask(t))
	}
	for _, cluster := range clusters {
		if err := cluster.Nodes[0].Start(); err != nil {
			t.Fatal(err)
		}
	}
	advance(t, all, 50)
	for i, c := range all {
		if err := <-requests[i]; err != nil {
			t.Errorf("%s: a request that was made while there was no server: %v", c.name, err)
		}
	}
	finish(t, all)
}

// ask makes a request that waits while there is no server.
func (c *channels) ask(t *testing.T) chan error {
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	go func() {
		defer cancel()
		got, err := c.client.Request(ctx, requestType, []byte("early"))
		if err == nil && string(got) != "EARLY" {
			err = fmt.Errorf("the reply is %q", got)
		}
		done <- err
	}()
	return done
}

func TestStreamsAndMuxesOutliveTheirLeaders(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var all []*channels
	for word, mode := range modes {
		all = append(all, startChannels(t, cluster.URL(), word, &jetstream.Config{Mode: mode, Replicas: 3, AckWait: ackWait(mode, 2*time.Second)}, 5*time.Millisecond))
	}
	advance(t, all, 20)
	for _, c := range all {
		stepDown(t, cluster, streamOf(c.name))
	}
	advance(t, all, 20)
	leader, err := cluster.Leader(ctx, streamOf(all[0].name))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if err := cluster.Lead(ctx, leader, streamOf(c.name)); err != nil {
			t.Fatal(err)
		}
	}
	leader.Kill()
	advance(t, all, 20)
	finish(t, all)
}

// stepDown makes the nodes that lead a stream and its consumers hand that over to
// others.
func stepDown(t *testing.T, c *server.Cluster, stream string) {
	t.Helper()
	nc, err := nats.Connect(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	leaders := []string{"CONSUMER.LEADER.STEPDOWN." + stream + ".", "STREAM.LEADER.STEPDOWN." + stream}
	for consumer := range js.ConsumerNames(stream) {
		leaders = append(leaders, leaders[0]+consumer)
	}
	for _, leader := range leaders[1:] {
		await(t, func() error { // one that is not elected yet does not answer
			m, err := nc.Request("$JS.API."+leader, nil, time.Second)
			if err == nil && !bytes.Contains(m.Data, []byte(`"success":true`)) {
				err = fmt.Errorf("%s: %s", leader, m.Data)
			}
			return err
		})
	}
}
