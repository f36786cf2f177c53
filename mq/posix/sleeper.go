package posix

import (
	"context"

	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
)

// A sleeper waits in the kernel, with a thread for each call that sleeps there.
type sleeper struct {
	fd    int
	calls sleep.Calls
}

func (s *sleeper) send(ctx context.Context, data []byte, priority uint32) sys.Errno {
	return s.sleep(ctx, sleep.Line{Send: true}, func(d *sys.Deadline) sys.Errno {
		return sys.MqSend(s.fd, data, priority, d)
	})
}

func (s *sleeper) receive(ctx context.Context, buf []byte) (n int, priority uint32, errno sys.Errno) {
	errno = s.sleep(ctx, sleep.Line{}, func(d *sys.Deadline) (errno sys.Errno) {
		n, priority, errno = sys.MqReceive(s.fd, buf, d)
		return errno
	})
	return n, priority, errno
}

func (s *sleeper) sleep(ctx context.Context, in sleep.Line, try func(*sys.Deadline) sys.Errno) sys.Errno {
	errno := s.calls.Sleep(ctx, in, 0, try)
	if errno == sys.ETIMEDOUT { // the deadline was set to end the call
		return sys.EINTR
	}
	return errno
}

func (s *sleeper) receiving() bool { return s.calls.Waiting() > 0 }

func (s *sleeper) close() { s.calls.Close() }
