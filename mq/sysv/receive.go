package sysv

import (
	"context"

	"ipcmq/internal/handle"
	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// A receiver takes the messages that a selector selects.
type receiver struct {
	q        *Queue
	selector mq.Selector
	typ      int64 // msgtyp of msgrcv(2)
	flags    int
}

// Select returns a receiver of the messages that s selects.
//
// A receive by type walks the queue from its head, in the kernel, with the
// queue locked: its cost grows with the number of waiting messages of other
// types.
//
// See msgrcv(2), msgtyp.
func (q *Queue) Select(s mq.Selector) (mq.Receiver, error) {
	if err := s.Validate(); err != nil {
		e := *err.(*mq.Error)
		e.Queue = q.handle.Name
		return nil, &e
	}
	if s.Type() > sys.MaxType {
		return nil, q.handle.Fail("select", mq.ErrInvalidType, nil, s.String()+": types are 1 to 2147483647 on 32-bit systems")
	}
	switch s.Kind() {
	case mq.SelectType:
		return &receiver{q: q, selector: s, typ: s.Type()}, nil
	case mq.SelectUpTo:
		return &receiver{q: q, selector: s, typ: -s.Type()}, nil
	case mq.SelectExcept:
		return &receiver{q: q, selector: s, typ: s.Type(), flags: sys.MSG_EXCEPT}, nil
	}
	all := q.receiver // of an inbox: all replies
	return &all, nil
}

// Receive takes the next message, waiting for one. The payload is a new slice.
//
// If Receive returns an error, nothing was taken. The error matches
// [mq.ErrClosed], [mq.ErrRemoved], [mq.ErrTooManyThreads], fs.ErrPermission, or
// ctx.Err() and the cause of ctx; then its text also says what is in the queue.
//
// While it waits, Receive may hold an OS thread, which a signal wakes when ctx
// ends; see the package documentation.
//
// See msgrcv(2).
func (r *receiver) Receive(ctx context.Context) (mq.Message, error) {
	var m mq.Message
	err := r.ReceiveInto(ctx, &m)
	return m, err
}

// ReceiveInto is Receive into *m, reusing the memory of m.Data if its capacity
// suffices. If it returns an error, *m is unchanged.
func (r *receiver) ReceiveInto(ctx context.Context, m *mq.Message) error {
	if err := r.q.usable("receive", r.q.handle.Access.CanReceive()); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return r.q.ended("receive", ctx)
	}
	for {
		errno := r.try(m)
		if errno == sys.ENOMSG {
			errno = r.wait(ctx, m)
		}
		switch {
		case errno == 0:
			return nil
		case errno == sys.EINTR && (r.q.calls.Closed() || ctx.Err() != nil):
			return handle.Waited(r.q.ended("receive", ctx), handle.NoMessage(r.q, r.selector))
		case errno == sys.EINTR, errno == sys.E2BIG:
			// Try again, after an unrelated signal, or with more room.
		default:
			return r.q.errno("receive", errno)
		}
	}
}

// TryReceive takes the next message if there is one now; it never waits. If
// there is none the error matches [mq.ErrEmpty].
//
// See msgrcv(2), IPC_NOWAIT.
func (r *receiver) TryReceive() (mq.Message, error) {
	var m mq.Message
	err := r.TryReceiveInto(&m)
	return m, err
}

// TryReceiveInto is TryReceive into *m, like [Queue.ReceiveInto].
func (r *receiver) TryReceiveInto(m *mq.Message) error {
	if err := r.q.usable("receive", r.q.handle.Access.CanReceive()); err != nil {
		return err
	}
	for {
		switch errno := r.try(m); errno {
		case 0:
			return nil
		case sys.ENOMSG:
			return r.q.errEmpty
		case sys.E2BIG, sys.EINTR:
		default:
			return r.q.errno("receive", errno)
		}
	}
}

// try makes one msgrcv that does not wait, and stores the message in *m. After
// E2BIG the message is still in the queue, and the next try makes more room.
//
// It usually calls nothing but the kernel, and has its memory at hand: an empty
// queue may be polled millions of times.
func (r *receiver) try(m *mq.Message) sys.Errno {
	q := r.q
	room := int(q.size.Load())
	if room > maxRaw || q.truncate > 0 {
		return r.tryAny(m)
	}
	b := q.receiving.Swap(nil)
	if b == nil || len(*b) < sys.TypeSize+room {
		b = getBuffer(room)
	}
	n, errno := sys.TryMsgrcvAt(&(*b)[0], q.id, room, uintptr(r.typ), r.flags|sys.IPC_NOWAIT)
	if errno == 0 {
		m.Type, m.Priority, m.Truncated = sys.GetType(*b), 0, false
		text := (*b)[sys.TypeSize:][:n]
		if cap(m.Data) < len(text) || m.Data == nil {
			m.Data = make([]byte, len(text))
		}
		m.Data = m.Data[:len(text)]
		copy(m.Data, text)
	}
	if !q.receiving.CompareAndSwap(nil, b) {
		putBuffer(b)
	}
	if errno == sys.E2BIG {
		q.grow(room)
	}
	return errno
}

// tryAny is try for a queue that truncates, or with much room.
func (r *receiver) tryAny(m *mq.Message) sys.Errno {
	room, flags := r.room()
	b := getBuffer(room)
	defer putBuffer(b)
	var n int
	var errno sys.Errno
	if room <= maxRaw {
		n, errno = sys.TryMsgrcv(r.q.id, *b, room, r.typ, flags)
	} else {
		n, errno = sys.Msgrcv(r.q.id, *b, room, r.typ, flags|sys.IPC_NOWAIT)
	}
	r.store(m, *b, n, room, errno)
	return errno
}

// wait is try with a msgrcv that waits. It returns EINTR if that was interrupted.
func (r *receiver) wait(ctx context.Context, m *mq.Message) sys.Errno {
	return r.q.calls.Sleep(ctx, sleep.Line{Type: r.typ, Flag: r.flags}, 0, func(*sys.Deadline) sys.Errno {
		room, flags := r.room()
		b := getBuffer(room) // only now, since many may wait, but few sleep
		defer putBuffer(b)
		n, errno := sys.Msgrcv(r.q.id, *b, room, r.typ, flags)
		r.store(m, *b, n, room, errno)
		return errno
	})
}

// room returns for how many bytes of payload to make room, and the flags.
func (r *receiver) room() (room, flags int) {
	room = int(r.q.size.Load())
	if cut := r.q.truncate; cut > 0 && cut < room && r.flags&sys.MSG_COPY == 0 {
		// One byte more, to tell a truncated message from one that fits.
		return cut + 1, r.flags | sys.MSG_NOERROR
	}
	return room, r.flags
}

// store sets *m to the message of n bytes in b, which a call with some room has
// received, or makes more room if there was too little.
func (r *receiver) store(m *mq.Message, b []byte, n, room int, errno sys.Errno) {
	if errno != 0 {
		if errno == sys.E2BIG {
			r.q.grow(room)
		}
		return
	}
	m.Truncated = r.q.truncate > 0 && n == r.q.truncate+1
	if m.Truncated {
		n--
	}
	m.Type, m.Priority = sys.GetType(b), 0
	if cap(m.Data) < n || m.Data == nil {
		m.Data = make([]byte, n)
	}
	m.Data = m.Data[:n]
	copy(m.Data, b[sys.TypeSize:])
}
