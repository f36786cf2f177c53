package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
)

// A conn carries whole messages both ways between two processes. One goroutine
// at a time may send, and one receive.
type conn interface {
	send(data []byte) error

	// receive returns the next message, which is valid until the next call.
	receive() ([]byte, error)

	Close() error
}

// connEnd returns the end at a conn. Requests carry ids, so that many goroutines can
// wait for their replies at one conn.
func connEnd(c conn) end {
	caller := &caller{conn: c, waiting: map[uint64]chan []byte{}}
	e := end{
		sender: sendFunc(func(_ context.Context, data []byte) error { return c.send(data) }),
		receive: func(_ context.Context, handle func([]byte) bool) error {
			for {
				data, err := c.receive()
				if err != nil {
					return err
				}
				if !handle(data) {
					return nil
				}
			}
		},
		call: caller.call,
		serve: func(_ context.Context, n int) error {
			for range n {
				data, err := c.receive()
				if err == nil {
					err = c.send(data) // the id is part of it
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
		close: c.Close,
	}
	if f, ok := c.(*frames); ok {
		e.frames = f
	}
	return e
}

// idSize is the size of an id, which precedes the payload, in bytes.
const idSize = 8

func appendID(id uint64) []byte { return binary.NativeEndian.AppendUint64(nil, id) }
func idOf(data string) uint64   { return binary.NativeEndian.Uint64([]byte(data[:idSize])) }

// A caller matches replies with requests by their ids.
type caller struct {
	conn conn
	read sync.Once

	sending sync.Mutex
	frame   []byte

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan []byte
	err     error // of the receiver, after which no replies come
}

func (c *caller) call(ctx context.Context, data []byte) ([]byte, error) {
	c.read.Do(func() { go c.receive() })
	reply := make(chan []byte, 1)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return nil, c.err
	}
	c.last++
	id := c.last
	c.waiting[id] = reply
	c.mu.Unlock()

	c.sending.Lock()
	c.frame = append(binary.NativeEndian.AppendUint64(c.frame[:0], id), data...)
	err := c.conn.send(c.frame)
	c.sending.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case data, ok := <-reply:
		if !ok {
			return nil, c.err
		}
		return data, nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return nil, ctx.Err()
	}
}

// receive passes each reply to the call that waits for it.
func (c *caller) receive() {
	for {
		data, err := c.conn.receive()
		if err == nil && len(data) < idSize {
			err = fmt.Errorf("a reply of %d bytes has no id", len(data))
		}
		c.mu.Lock()
		if err != nil {
			c.err = err
			for _, w := range c.waiting {
				close(w)
			}
			clear(c.waiting)
			c.mu.Unlock()
			return
		}
		id := binary.NativeEndian.Uint64(data)
		w, ok := c.waiting[id]
		delete(c.waiting, id)
		c.mu.Unlock()
		if ok {
			w <- append([]byte(nil), data[idSize:]...)
		}
	}
}
