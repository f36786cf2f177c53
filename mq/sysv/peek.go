package sysv

import (
	"errors"
	"fmt"

	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Peek returns a copy of the message at position index of the queue, 0 being
// the oldest, and leaves it there. At any time, other processes may take
// messages, which moves later ones forward. Config.Truncate applies to the
// copy.
//
// The error matches [mq.ErrEmpty] if there are no more than index messages, and
// [errors.ErrUnsupported] if the kernel was built without
// CONFIG_CHECKPOINT_RESTORE. It matches [mq.ErrTooLarge] if the message is
// longer than kernel.msgmax, which was lowered.
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
				// The kernel does not truncate a copy.
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
				return m, q.handle.Fail("peek", mq.ErrTooLarge, errno, "the message exceeds the current kernel.msgmax (raise it with sysctl -w kernel.msgmax=N)")
			}
			return m, q.errno("peek", errno)
		default:
			return m, q.errno("peek", errno)
		}
	}
}
