package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"ipcmq/mq"
	"ipcmq/mux"
	"ipcmq/mux/rpc"
	"ipcmq/stream"
)

// taskArg as the first argument makes this program a process of a curve; the second
// argument is a task.
const taskArg = "task"

// runTask does the task given as JSON and prints the tally.
func runTask(arg string) error {
	var t task
	if err := json.Unmarshal([]byte(arg), &t); err != nil {
		return err
	}
	r, err := t.run(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (t task) run(ctx context.Context) (tally, error) {
	b, ok := backendNamed(t.Backend)
	if !ok {
		return tally{}, fmt.Errorf("no backend %q", t.Backend)
	}
	there, err := b.open(t.There)
	if err != nil {
		return tally{}, err
	}
	defer there.Close()
	back, err := b.open(t.Back)
	if err != nil {
		return tally{}, err
	}
	defer back.Close()
	switch t.Act {
	case actPing:
		return t.ping(ctx, there, back)
	case actCall:
		return t.call(ctx, there)
	case actEcho:
		return t.echo(ctx, there, back)
	case actSend:
		return t.send(ctx, there)
	case actReceive:
		return t.receiveAll(ctx, there, func(int) error { return nil })
	case actGather:
		return t.gather(ctx, there)
	case actTypes:
		return t.types(ctx, there)
	case actServe:
		return t.serve(ctx, there)
	case actHold:
		return t.hold(there)
	}
	return tally{}, fmt.Errorf("no act %q", t.Act)
}

// awaitStart reports that this process is ready, and waits for the others.
func awaitStart() error {
	if _, err := os.Stdout.WriteString("\n"); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// A clock measures from the last message of the warm-up to the last of all.
type clock struct {
	warm, total, seen int
	start             time.Time
	ns                int64
}

func (t task) clock() *clock { return &clock{warm: t.Warm, total: t.Warm + t.Count} }

// tick counts one message.
func (c *clock) tick() {
	c.seen++
	if c.seen == c.warm {
		c.start = time.Now()
	} else if c.seen == c.total {
		c.ns = time.Since(c.start).Nanoseconds()
	}
}

// receive passes the payloads of q to handle, in the way given by the task.
func (t task) receive(ctx context.Context, q mq.Queue, handle func(data []byte) bool) error {
	switch {
	case t.By == channel && t.Own:
		return rangeStream(q, &stream.Config{Select: mq.Type(1)}, handle)
	case t.By == channel:
		return rangeStream(q, nil, handle)
	case t.Own:
		r, err := q.Select(mq.Type(1))
		if err != nil {
			return err
		}
		return into(ctx, r, handle)
	}
	return into(ctx, q, handle)
}

func (t task) sender(ctx context.Context, q mq.Queue) (send func(i int) error) {
	m := mq.Message{Type: 1, Data: make([]byte, t.Size)}
	from := int64(t.From) << fromShift
	return func(i int) error {
		putNumber(m.Data, from|int64(i))
		if t.Types > 1 {
			m.Type = int64(1 + i%t.Types)
		}
		return q.Send(ctx, m)
	}
}

func (t task) ping(ctx context.Context, there, back mq.Queue) (tally, error) {
	send := t.sender(ctx, there)
	if err := send(0); err != nil {
		return tally{}, err
	}
	return t.receiveAll(ctx, back, func(i int) error {
		if i+1 == t.Warm+t.Count {
			return nil
		}
		return send(i + 1)
	})
}

func (t task) send(ctx context.Context, q mq.Queue) (tally, error) {
	if err := awaitStart(); err != nil {
		return tally{}, err
	}
	c, send := t.clock(), t.sender(ctx, q)
	for i := range c.total {
		if err := send(i); err != nil {
			return tally{}, err
		}
		c.tick()
	}
	return tally{NS: c.ns}, nil
}

// receiveAll receives all messages of one sender, and calls then with each.
func (t task) receiveAll(ctx context.Context, q mq.Queue, then func(i int) error) (tally, error) {
	if err := awaitStart(); err != nil {
		return tally{}, err
	}
	c := t.clock()
	var failed error
	err := t.receive(ctx, q, func(data []byte) bool {
		i := c.seen
		if failed = t.check(data, i); failed != nil {
			return false
		}
		c.tick()
		failed = then(i)
		return failed == nil && c.seen < c.total
	})
	return tally{NS: c.ns}, errors.Join(err, failed)
}

// check returns an error unless data belongs to message i.
func (t task) check(data []byte, i int) error {
	if len(data) != t.Size || !hasNumber(data, int64(i)) {
		return fmt.Errorf("message %d is not what was sent", i)
	}
	return nil
}

// gather receives the messages of several processes, each in order, until it has all of
// them or an empty message.
func (t task) gather(ctx context.Context, q mq.Queue) (tally, error) {
	if err := awaitStart(); err != nil {
		return tally{}, err
	}
	c := t.clock()
	expected := map[int64]int64{} // the lowest possible next number of each sender
	var failed error
	err := t.receive(ctx, q, func(data []byte) bool {
		if len(data) == 0 {
			return false
		}
		from, n := splitNumber(data)
		if len(data) != t.Size || n < expected[from] {
			failed = fmt.Errorf("message %d of sender %d is not what was sent", n, from)
			return false
		}
		expected[from] = n + 1
		c.tick()
		return c.seen < c.total
	})
	return tally{NS: c.ns, Taken: int64(c.seen)}, errors.Join(err, failed)
}

// types receives messages of all types, each through its own subscription. One more,
// which gets nothing, makes them all share a reader.
func (t task) types(_ context.Context, q mq.Queue) (tally, error) {
	m, err := mux.New(q, nil)
	if err != nil {
		return tally{}, err
	}
	defer m.Close()
	if _, err := m.Subscribe(mq.Any(), &mux.SubscribeConfig{Unclaimed: true}); err != nil {
		return tally{}, err
	}
	subs := make([]*mux.Subscription, t.Types)
	for i := range subs {
		if subs[i], err = m.Subscribe(mq.Type(int64(i+1)), nil); err != nil {
			return tally{}, err
		}
	}
	if err := awaitStart(); err != nil {
		return tally{}, err
	}
	c := t.clock()
	for i := range c.total {
		msg, ok := <-subs[i%t.Types].Messages()
		if !ok {
			return tally{}, m.Err()
		}
		if err := t.check(msg.Data, i); err != nil {
			return tally{}, err
		}
		c.tick()
	}
	n, err := threads()
	return tally{NS: c.ns, Threads: n}, err
}

// echo answers all messages in several goroutines. Most of them still wait when
// the last message is answered: the process ends with them.
func (t task) echo(ctx context.Context, there, back mq.Queue) (tally, error) {
	receivers := make([]mq.Receiver, t.Threads)
	for k := range receivers {
		receivers[k] = there
		if t.Own {
			var err error
			if receivers[k], err = there.Select(mq.Type(int64(k + 1))); err != nil {
				return tally{}, err
			}
		}
	}
	var waiting sync.WaitGroup
	var answered atomic.Int64
	ends := make(chan error, t.Threads)
	for _, r := range receivers {
		waiting.Add(1)
		go func() {
			waiting.Done()
			var m mq.Message
			for {
				err := r.ReceiveInto(ctx, &m)
				if err == nil {
					err = back.Send(ctx, m)
				}
				if err != nil || answered.Add(1) == int64(t.Warm+t.Count) {
					ends <- err
					return
				}
			}
		}()
	}
	waiting.Wait()
	if err := awaitStart(); err != nil {
		return tally{}, err
	}
	if err := <-ends; err != nil {
		return tally{}, err
	}
	n, err := threads()
	return tally{Threads: n}, err
}

// call sends requests from several goroutines at once.
func (t task) call(ctx context.Context, q mq.Queue) (tally, error) {
	client, err := rpc.NewClient(q, nil)
	if err != nil {
		return tally{}, err
	}
	if err := awaitStart(); err != nil {
		return tally{}, err
	}
	var begun atomic.Int64
	var start time.Time
	took := make([]time.Duration, t.Warm+t.Count)
	group, ctx := errgroup.WithContext(ctx)
	for range t.Threads {
		group.Go(func() error {
			data := make([]byte, t.Size)
			for {
				i := int(begun.Add(1) - 1)
				if i >= len(took) {
					return nil
				}
				began := time.Now()
				if i == t.Warm {
					start = began
				}
				putNumber(data, int64(i))
				reply, err := client.Request(ctx, requestType(q), data)
				if err != nil {
					return err
				}
				if err := t.check(reply, i); err != nil {
					return err
				}
				took[i] = time.Since(began)
			}
		})
	}
	if err := group.Wait(); err != nil {
		return tally{}, errors.Join(err, client.Close())
	}
	r := tally{NS: time.Since(start).Nanoseconds()}
	timed := took[t.Warm:]
	slices.Sort(timed)
	r.P50 = timed[len(timed)/2].Nanoseconds()
	r.Threads, err = threads()
	return r, errors.Join(err, client.Close())
}

// serve answers all requests.
func (t task) serve(ctx context.Context, q mq.Queue) (tally, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var handled atomic.Int64
	ended := make(chan error, 1)
	go func() {
		ended <- rpc.Handle(ctx, q, requestType(q), func(_ context.Context, request []byte) ([]byte, error) {
			if handled.Add(1) == int64(t.Warm+t.Count) {
				cancel()
			}
			return request, nil
		}, nil)
	}()
	if err := awaitStart(); err != nil {
		cancel()
		return tally{}, errors.Join(err, <-ended)
	}
	return tally{}, <-ended
}

// threads returns how many threads this process has.
func threads() (int, error) {
	tasks, err := os.ReadDir("/proc/self/task")
	return len(tasks), err
}
