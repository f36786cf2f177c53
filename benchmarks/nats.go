package main

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
)

// The server may keep all messages of a run for a slow subscriber, which it would
// otherwise disconnect.
const natsConfig = `
listen: "127.0.0.1:-1"
max_pending: 2GB
write_deadline: "60s"
`

// natsListens matches the line with the port.
var natsListens = regexp.MustCompile(`Listening for client connections on (\S+)`)

// meetNATS uses one server for the whole run of the program; the server is a tool of
// this module.
func meetNATS(ctx context.Context, b *bench, j *job) (meeting, error) {
	s, err := b.server("NATS", func() (*server, error) {
		path, err := tool(ctx, "nats-server")
		if err != nil {
			return nil, err
		}
		config := filepath.Join(b.programs, "nats.conf")
		if err := os.WriteFile(config, []byte(natsConfig), 0o600); err != nil {
			return nil, err
		}
		return startServer(ctx, exec.Command(path, "-c", config), natsListens)
	})
	if err != nil {
		return meeting{}, err
	}
	j.There = "nats://" + natsListens.FindStringSubmatch(s.line)[1]
	j.Back = rand.Text() // the subjects
	return meeting{server: s}, nil
}

func openNATS(ctx context.Context, j job) (end, error) {
	c, err := nats.Connect(j.There)
	if err != nil {
		return end{}, err
	}
	e := end{close: func() error {
		err := c.Flush()
		c.Close()
		return err
	}}
	there, back := j.Back+".there", j.Back+".back"
	switch j.Role {
	case take, echo:
		e.sender = publishTo(c, back)
		if e.receive, err = receiveFrom(c, there); err == nil {
			err = announce(c, j.Back)
		}
	case ping:
		e.sender = publishTo(c, there)
		e.receive, err = receiveFrom(c, back)
	case send:
		e.sender = publishTo(c, there)
	case ask:
		e.call = func(ctx context.Context, data []byte) ([]byte, error) {
			m, err := c.RequestWithContext(ctx, there, data)
			if err != nil {
				return nil, err
			}
			return m.Data, nil
		}
	case serve:
		if e.serve, err = answer(c, there); err == nil {
			err = announce(c, j.Back)
		}
	}
	if err == nil && (j.Role == ping || j.Role == send || j.Role == ask) {
		err = awaitOther(ctx, c, j.Back)
	}
	return e, err
}

func publishTo(c *nats.Conn, subject string) mqSender {
	return sendFunc(func(_ context.Context, data []byte) error { return c.Publish(subject, data) })
}

// subscribe receives in the callback of a subscription, which is the shortest path, and
// without a limit on waiting messages.
func subscribe(c *nats.Conn, subject string) (func(context.Context, func(*nats.Msg) bool) error, error) {
	var handle func(*nats.Msg) bool
	set, done, ended := make(chan struct{}), make(chan struct{}), false
	s, err := c.Subscribe(subject, func(m *nats.Msg) {
		<-set
		if !ended && !handle(m) {
			ended = true
			close(done)
		}
	})
	if err != nil {
		return nil, err
	}
	if err := s.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	return func(ctx context.Context, h func(*nats.Msg) bool) error {
		handle = h
		close(set)
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, c.Flush()
}

func receiveFrom(c *nats.Conn, subject string) (func(context.Context, func([]byte) bool) error, error) {
	receive, err := subscribe(c, subject)
	return func(ctx context.Context, handle func([]byte) bool) error {
		return receive(ctx, func(m *nats.Msg) bool { return handle(m.Data) })
	}, err
}

func answer(c *nats.Conn, subject string) (func(context.Context, int) error, error) {
	receive, err := subscribe(c, subject)
	return func(ctx context.Context, n int) error {
		var failed error
		err := receive(ctx, func(m *nats.Msg) bool {
			failed = m.Respond(m.Data)
			n--
			return failed == nil && n > 0
		})
		return errors.Join(err, failed)
	}, err
}

// announce answers the question whether this process has subscribed.
func announce(c *nats.Conn, subject string) error {
	_, err := c.Subscribe(subject+".ready", func(m *nats.Msg) { _ = m.Respond(nil) })
	return errors.Join(err, c.Flush())
}

// awaitOther asks until announce answers: NATS drops messages without a subscriber.
func awaitOther(ctx context.Context, c *nats.Conn, subject string) error {
	for {
		_, err := c.Request(subject+".ready", nil, time.Second)
		if !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, nats.ErrTimeout) || ctx.Err() != nil {
			return err
		}
	}
}
