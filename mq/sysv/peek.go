package sysv

import (
	"errors"
	"fmt"

	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Peek returns a copy of the message at position index of the queue, 0 being
// the oldest, and leaves it there. Other processes may take it, or move what is
// behind it forward, at any time. Config.Truncate applies to the copy.
//
// The error matches [mq.ErrEmpty] if there are no more than index messages, and
// [errors.ErrUnsupported] if the kernel was built without
// CONFIG_CHECKPOINT_RESTORE. A message that is longer than kernel.msgmax is
// now, because that was lowered, cannot be looked at: [mq.ErrTooLarge].
//
// See msgrcv(2), MSG_COPY.
func (q *Queue) Peek(index int) (mq.Message, error) {
	if err := q.usable("peek", q.handle.Access.CanReceive()); err != nil {
		return mq.Message{}, err
	}
	if index < 0 {
		return mq.Message{}, q.handle.Fail("peek", mq.ErrInvalidConfig, nil, fmt.Sprintf("index %d is negative", index))
	}
	r := receiver{q: q, typ: int64(index), flags: sys.MSG_COPY}
	for {
		var m mq.Message
		switch errno := r.try(&m); errno {
		case 0:
			if limit := q.truncate; limit > 0 && len(m.Data) > limit {
				// The kernel does not cut a copy.
				m.Data, m.Truncated = m.Data[:limit:limit], true
			}
			return m, nil
		case sys.ENOMSG:
			return m, q.handle.Fail("peek", mq.ErrEmpty, errno, fmt.Sprintf("no message at position %d", index))
		case sys.ENOSYS:
			return m, q.handle.Fail("peek", errors.ErrUnsupported, errno, "the kernel lacks MSG_COPY (CONFIG_CHECKPOINT_RESTORE)")
		case sys.E2BIG, sys.EINTR:
		case sys.EINVAL:
			if _, e := q.statAnyhow(); e == 0 {
				return m, q.handle.Fail("peek", mq.ErrTooLarge, errno, "the message exceeds kernel.msgmax of now (raise it with sysctl -w kernel.msgmax=N)")
			}
			return m, q.errno("peek", errno)
		default:
			return m, q.errno("peek", errno)
		}
	}
}
