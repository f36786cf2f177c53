package batch

import (
	"bytes"
	"slices"
	"sync"

	"ipcmq/mq"
)

// in is what was taken from the underlying queue, and the calls that wait for
// it.
type in struct {
	mu      sync.Mutex
	frames  []frame   // with messages not received yet, the oldest first
	waiting []*waiter // the one that has waited longest first
	spare   []byte    // memory for the next frame
	calls   int       // in the underlying queue
	idle    sync.Cond // signals that calls became 0
	closed  bool
}

// A frame is what is left of a message of the underlying queue.
type frame struct {
	mq.Message        // as received, less the messages taken out
	single     bool   // it is not a frame, but one message
	messages   int    // how many are left
	memory     []byte // Data is a part of it; nil if receivers have other parts
}

func (in *in) start() { in.idle.L = &in.mu }

// receive adds what a call of the underlying queue receives to the frames. It
// is called with the lock held, and releases it meanwhile.
func (in *in) receive(call func(into *mq.Message) error) error {
	m := mq.Message{Data: in.spare}
	in.spare = nil
	in.calls++
	in.mu.Unlock()
	err := call(&m)
	in.mu.Lock()
	if in.calls--; in.calls == 0 {
		in.idle.Broadcast()
	}
	if err != nil {
		in.spare = m.Data // unchanged
		return err
	}
	f := frame{Message: m, single: true, messages: 1, memory: m.Data}
	if n := parse(m.Data); n > 0 && !m.Truncated {
		f.single, f.messages, f.Data = false, n, m.Data[len(magic):]
	} else if _, payload, ok := unwrap(m.Data); ok && !m.Truncated {
		f.Data = payload
	}
	in.frames = append(in.frames, f)
	return nil
}

// give sets *m to the next message that was taken and that s selects, if there
// is one. As in the underlying queue, the next one is of the lowest type for
// UpTo, and of the highest priority if there are priorities; among equals, it
// is the oldest.
func (in *in) give(s mq.Selector, m *mq.Message) bool {
	next := -1
	for i := range in.frames {
		f := &in.frames[i]
		if s.Matches(f.Type) && (next < 0 || f.Priority > in.frames[next].Priority || s.Kind() == mq.SelectUpTo && f.Type < in.frames[next].Type) {
			next = i
		}
	}
	if next < 0 {
		return false
	}
	f := &in.frames[next]
	f.next(in, m)
	if f.messages == 0 {
		if f.memory != nil {
			in.spare = f.memory
		}
		in.frames = slices.Delete(in.frames, next, next+1)
	}
	return true
}

// next takes the first message out of f and stores it in *m. It copies the
// payload if m.Data has room for it; if not, m gets a part of the frame's
// memory.
func (f *frame) next(in *in, m *mq.Message) {
	f.messages--
	data, rest := f.Data, []byte(nil)
	if !f.single {
		data, rest = cut(f.Data)
	}
	switch {
	case m.Data == nil && len(data) == 0:
		m.Data = []byte{}
	case m.Data != nil && cap(m.Data) >= len(data):
		m.Data = append(m.Data[:0], data...)
	default:
		if f.memory != nil && cap(f.memory) > 2*len(f.Data) {
			// The memory is much larger than its content, so it is not
			// kept.
			in.spare = f.memory
			f.Data = bytes.Clone(f.Data)
			data, rest = f.Data, nil
			if !f.single {
				data, rest = cut(f.Data)
			}
		}
		f.memory = nil
		m.Data = data[:len(data):len(data)]
	}
	m.Type, m.Priority, m.Truncated = f.Type, f.Priority, f.Truncated
	f.Data = rest
}

// dispatch gives the messages that were taken to the waiters, and makes sure
// that for each receiver one of its waiters leads.
func (in *in) dispatch() {
	for i := 0; i < len(in.waiting) && len(in.frames) > 0; {
		w := in.waiting[i]
		if w.given || !in.give(w.r.selector, &w.message) {
			i++
			continue
		}
		w.given = true
		if w.cancel != nil { // it leads, and leaves when its call of the underlying queue returns
			w.cancel()
			i++
			continue
		}
		in.waiting = slices.Delete(in.waiting, i, i+1)
		if w.r.leader == w { // it was chosen to lead
			w.r.leader = nil
		}
		w.wake()
	}
	for _, w := range in.waiting {
		if w.r.leader == nil {
			w.r.leader = w
			w.wake()
		}
	}
}

// wake wakes a waiter that follows.
func (w *waiter) wake() {
	if w.woken != nil {
		close(w.woken)
		w.woken = nil
	}
}

// leave removes w from the waiters.
func (in *in) leave(w *waiter) {
	if w.r.leader == w {
		w.r.leader = nil
	}
	in.waiting = slices.DeleteFunc(in.waiting, func(other *waiter) bool { return other == w })
	in.dispatch()
}

// close makes later and waiting calls fail, except for those that lead, whose
// calls of the underlying queue end. settle waits for these, and returns how
// many messages are left.
func (in *in) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	for _, w := range in.waiting {
		w.wake()
	}
}

func (in *in) settle() (left int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.calls > 0 {
		in.idle.Wait()
	}
	for _, f := range in.frames {
		left += f.messages
	}
	return left
}

// Unread returns the messages, oldest first, that were taken from the
// underlying queue but not received when the queue was closed, and forgets
// them. Before Close it returns nil.
func (q *Queue) Unread() (messages []mq.Message) {
	in := &q.in
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.closed || in.calls > 0 {
		return nil
	}
	for i := range in.frames {
		for f := &in.frames[i]; f.messages > 0; {
			var m mq.Message
			f.next(in, &m)
			messages = append(messages, m)
		}
	}
	in.frames = nil
	return messages
}
