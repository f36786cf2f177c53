package posix

import (
	"context"
	"os"
	"sync"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// A poller waits in the Go runtime's poller, without a thread.
//
// There, only one goroutine can wait for a file in each direction, with a
// deadline that belongs to the file. So whoever comes first takes the turn, and
// with it the deadline, and the others wait on a channel for theirs: they are
// served in order, and a message wakes only one of them.
type poller struct {
	reads, writes turn
	closing       chan struct{}
	transfers     sync.Pool
}

// A turn is the right to wait in one direction.
type turn struct {
	taken       chan struct{} // whoever has sent has the turn
	wait        func(try func(fd uintptr) (done bool)) error
	setDeadline func(time.Time) error
}

func newPoller(file *os.File, name string) (*poller, error) {
	conn, err := file.SyscallConn()
	if err == nil {
		err = file.SetDeadline(time.Time{}) // fails if the runtime could not register the file
	}
	if err != nil {
		return nil, &mq.Error{Op: "open", Queue: name, Err: err,
			Detail: "the poller of the Go runtime takes no more descriptors (see fs.epoll.max_user_watches); Config.Blocking does without"}
	}
	p := &poller{
		reads:   turn{make(chan struct{}, 1), conn.Read, file.SetReadDeadline},
		writes:  turn{make(chan struct{}, 1), conn.Write, file.SetWriteDeadline},
		closing: make(chan struct{}),
	}
	p.transfers.New = func() any { return newTransfer() }
	return p, nil
}

// A transfer is one send or receive, kept for reuse together with its functions.
type transfer struct {
	data     []byte
	priority uint32
	n        int
	errno    sys.Errno

	send, receive func(fd uintptr) (done bool)
}

func newTransfer() *transfer {
	t := &transfer{}
	t.send = func(fd uintptr) bool {
		t.errno = trySend(int(fd), t.data, t.priority, nil)
		return t.errno != sys.EAGAIN
	}
	t.receive = func(fd uintptr) bool {
		t.n, t.priority, t.errno = tryReceive(int(fd), t.data, nil)
		return t.errno != sys.EAGAIN
	}
	return t
}

func (p *poller) send(ctx context.Context, data []byte, priority uint32) sys.Errno {
	t := p.transfers.Get().(*transfer)
	defer p.put(t)
	t.data, t.priority = data, priority
	if !p.writes.do(ctx, p.closing, t.send) {
		return sys.EINTR
	}
	return t.errno
}

func (p *poller) receive(ctx context.Context, buf []byte) (n int, priority uint32, errno sys.Errno) {
	t := p.transfers.Get().(*transfer)
	defer p.put(t)
	t.data = buf
	if !p.reads.do(ctx, p.closing, t.receive) {
		return 0, 0, sys.EINTR
	}
	return t.n, t.priority, t.errno
}

func (p *poller) put(t *transfer) {
	t.data = nil
	p.transfers.Put(t)
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// do calls try, now and whenever the file has become ready, until it is done,
// and reports whether it is; it is not if ctx has ended or the queue was closed.
func (t *turn) do(ctx context.Context, closing <-chan struct{}, try func(fd uintptr) (done bool)) bool {
	select {
	case t.taken <- struct{}{}:
	case <-ctx.Done():
		return false
	case <-closing:
		return false
	}
	defer func() { <-t.taken }()
	if ctx.Done() != nil {
		expired := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			t.setDeadline(longAgo)
			close(expired)
		})
		defer func() {
			if !stop() { // the deadline is not for the next one
				<-expired
				t.setDeadline(time.Time{})
			}
		}()
	}
	return t.wait(try) == nil
}

// close wakes those that wait for their turn; closing the file wakes those that
// have it.
func (p *poller) close() { close(p.closing) }
