package posix

import (
	"context"
	"os"
	"sync"
	"time"

	"ipcmq/internal/sys"
)

// A poller waits in the Go runtime's poller, without a thread.
//
// There, only one goroutine can wait for a file in each direction, with a
// deadline that belongs to the file. So the first one takes the turn, and with
// it the deadline, and the others wait on a channel for their turn: they are
// served in order, and a message wakes only one of them.
//
// Every message that is sent or received wakes the pollers of all registered
// descriptors of the queue, even those of the process that sent it. So a
// duplicate of the handle's descriptor is registered only when a call has to
// wait for the first time.
type poller struct {
	fd        int           // of the handle
	now       *sys.Deadline // of the handle
	closing   chan struct{}
	transfers sync.Pool

	mu            sync.Mutex
	closed        bool
	file          *os.File // the duplicate, nil until it is needed
	reads, writes turn
}

// A turn is the right to wait in one direction.
type turn struct {
	taken       chan struct{} // the goroutine that has sent to it has the turn
	wait        func(try func(fd uintptr) (done bool)) error
	setDeadline func(time.Time) error
}

func newPoller(q *Queue) *poller {
	p := &poller{fd: q.fd, now: q.now, closing: make(chan struct{})}
	p.transfers.New = func() any { return newTransfer(p.now) }
	p.reads.taken, p.writes.taken = make(chan struct{}, 1), make(chan struct{}, 1)
	return p
}

// register makes the duplicate if there is none yet. It returns EINTR if the
// queue is closed.
func (p *poller) register() sys.Errno {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return sys.EINTR
	}
	if p.file != nil {
		return 0
	}
	fd, errno := sys.Duplicate(p.fd)
	if errno != 0 {
		return errno
	}
	file := os.NewFile(uintptr(fd), "")
	conn, err := file.SyscallConn()
	if err == nil {
		err = file.SetDeadline(time.Time{}) // fails if the runtime could not register the file
	}
	if err != nil {
		file.Close()
		return sys.ENOSPC
	}
	p.file = file
	p.reads.wait, p.reads.setDeadline = conn.Read, file.SetReadDeadline
	p.writes.wait, p.writes.setDeadline = conn.Write, file.SetWriteDeadline
	return 0
}

// A transfer is one send or receive, kept for reuse together with its functions.
type transfer struct {
	data     []byte
	priority uint32
	n        int
	errno    sys.Errno

	send, receive func(fd uintptr) (done bool)
}

func newTransfer(now *sys.Deadline) *transfer {
	t := &transfer{}
	t.send = func(fd uintptr) bool {
		t.errno = trySend(int(fd), t.data, t.priority, now)
		return t.errno != sys.EAGAIN
	}
	t.receive = func(fd uintptr) bool {
		t.n, t.priority, t.errno = tryReceive(int(fd), t.data, now)
		return t.errno != sys.EAGAIN
	}
	return t
}

func (p *poller) send(ctx context.Context, data []byte, priority uint32) sys.Errno {
	t := p.transfers.Get().(*transfer)
	defer p.put(t)
	t.data, t.priority = data, priority
	if errno := p.wait(ctx, &p.writes, t.send); errno != 0 {
		return errno
	}
	return t.errno
}

func (p *poller) receive(ctx context.Context, buf []byte) (n int, priority uint32, errno sys.Errno) {
	t := p.transfers.Get().(*transfer)
	defer p.put(t)
	t.data = buf
	if errno := p.wait(ctx, &p.reads, t.receive); errno != 0 {
		return 0, 0, errno
	}
	return t.n, t.priority, t.errno
}

func (p *poller) receiving() bool { return len(p.reads.taken) > 0 }

func (p *poller) put(t *transfer) {
	t.data = nil
	p.transfers.Put(t)
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// wait takes the turn and calls try, now and whenever the queue has become
// ready, until it is done. It returns EINTR if ctx has ended or the queue was
// closed before that.
func (p *poller) wait(ctx context.Context, t *turn, try func(fd uintptr) (done bool)) sys.Errno {
	if errno := p.register(); errno != 0 {
		return errno
	}
	select {
	case t.taken <- struct{}{}:
	case <-ctx.Done():
		return sys.EINTR
	case <-p.closing:
		return sys.EINTR
	}
	defer func() { <-t.taken }()
	if ctx.Done() != nil {
		expired := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			t.setDeadline(longAgo)
			close(expired)
		})
		defer func() {
			if !stop() { // do not leave the deadline to the next goroutine
				<-expired
				t.setDeadline(time.Time{})
			}
		}()
	}
	if t.wait(try) != nil {
		return sys.EINTR
	}
	return 0
}

// close wakes the goroutines that have the turn, and those that wait for it.
func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	close(p.closing)
	if p.file != nil {
		p.file.Close()
	}
}
