package posix

import (
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Attr are the attributes of a queue (struct mq_attr of mq_getattr(3)). All but
// Messages were fixed when it was created.
type Attr struct {
	MaxMessages    int // messages that the queue can hold (mq_maxmsg)
	MaxMessageSize int // largest payload in bytes (mq_msgsize)
	Messages       int // messages waiting (mq_curmsgs)
}

// Attr returns the attributes of the queue.
//
// See mq_getattr(3).
func (q *Queue) Attr() (Attr, error) {
	if err := q.usable("get attributes", true); err != nil {
		return Attr{}, err
	}
	q.using.RLock()
	defer q.using.RUnlock()
	errno := sys.EBADF
	var a sys.MqAttr
	if !q.closed.Load() {
		a, errno = sys.MqGetAttr(q.fd)
	}
	if errno != 0 {
		return Attr{}, q.errno("get attributes", errno)
	}
	return Attr{int(a.MaxMessages), int(a.MaxMessageSize), int(a.Messages)}, nil
}

// Usage returns how full the queue is, in messages only: each of them may have
// the largest size.
func (q *Queue) Usage() (mq.Usage, error) {
	a, err := q.Attr()
	if err != nil {
		return mq.Usage{}, err
	}
	return mq.Usage{Messages: int64(a.Messages), MaxMessages: int64(a.MaxMessages)}, nil
}
