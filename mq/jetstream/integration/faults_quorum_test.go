package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

func TestAQueueWithoutAQuorumWaitsAndGoesOn(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3)
	var all []*halted
	for word, mode := range modes {
		all = append(all, newHalted(t, c, word, mode))
	}
	c.Nodes[0].Kill()
	c.Nodes[1].Kill()
	for _, h := range all {
		h.without(t)
	}
	for _, n := range c.Nodes[:2] {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range all {
		h.again(t)
	}
}

// A halted queue is one whose cluster loses its quorum for a time.
type halted struct {
	*tally
	word          string // for the mode
	queue         *jetstream.Queue
	send, receive *call // blocked
}

func newHalted(t *testing.T, c *server.Cluster, word string, mode jetstream.Mode) *halted {
	h := &halted{tally: newTally(), word: word}
	h.queue = openQueue(t, c.URL(), "halted-"+word, &jetstream.Config{Mode: mode, Replicas: 3, AckWait: ackWait(mode, 2*time.Second)})
	for i := range 50 {
		if err := h.put(fmt.Sprint("before-", i), func(m mq.Message) error { return h.queue.Send(t.Context(), m) }); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// put sends a message and records the result.
func (h *halted) put(number string, send func(mq.Message) error) error {
	err := send(mq.Message{Type: 1, Data: []byte(number)})
	switch {
	case err == nil:
		h.sends[number] = "sent"
	case errors.Is(err, mq.ErrInDoubt):
		h.sends[number] = "doubt"
	default:
		h.sends[number] = "unsent"
	}
	return err
}

func (h *halted) got(m mq.Message) { h.takes[string(m.Data)] = append(h.takes[string(m.Data)], "0") }

// without checks what calls do while there is no quorum.
func (h *halted) without(t *testing.T) {
	t.Helper()
	soon := func(what string, call func() error, kinds ...error) {
		t.Helper()
		start := time.Now()
		err := call()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %s without a quorum took %v", h.word, what, took)
		}
		for _, kind := range kinds {
			if errors.Is(err, kind) {
				return
			}
		}
		t.Errorf("%s: %s without a quorum: %v", h.word, what, err)
	}
	for i := range 3 {
		soon("TrySend", func() error { return h.put(fmt.Sprint("try-", i), h.queue.TrySend) }, mq.ErrUnavailable, mq.ErrInDoubt)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		soon("Send", func() error {
			return h.put(fmt.Sprint("short-", i), func(m mq.Message) error { return h.queue.Send(ctx, m) })
		}, context.DeadlineExceeded)
		cancel()
	}
	// The node that is left may still hand out a message, which will come again.
	soon("TryReceive", func() error {
		m, err := h.queue.TryReceive()
		if err == nil {
			h.got(m)
			return mq.ErrUnavailable
		}
		return err
	}, mq.ErrUnavailable)
	h.send = sending(t.Context(), h.queue, mq.Message{Type: 1, Data: []byte("blocked")})
	h.receive = receiving(t.Context(), h.queue)
}

// again checks that blocked calls continue, and that what was sent is there.
func (h *halted) again(t *testing.T) {
	t.Helper()
	h.sends["blocked"] = "sent"
	if err := h.send.wait(t); err != nil {
		t.Errorf("%s: the blocked Send: %v", h.word, err)
	}
	if err := h.receive.wait(t); err != nil {
		t.Errorf("%s: the blocked Receive: %v", h.word, err)
	} else {
		h.got(h.receive.message)
	}
	await(t, func() error {
		m, err := h.queue.TryReceive()
		switch {
		case err == nil:
			h.got(m)
			return errors.New("there may be more")
		case !errors.Is(err, mq.ErrEmpty):
			return err
		}
		return h.missing()
	})
	h.check(t, h.word, uint64(len(h.takes)))
}
