package sysv

import (
	"fmt"
	"io/fs"
	"math"
	"os"

	"ipcmq/internal/limits"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Settings are what can be changed in an existing queue.
type Settings struct {
	Mode     fs.FileMode // permissions: read and write for owner, group, others (0666); other bits stay as they are
	UID, GID uint32      // owner
	Capacity int64       // maximum bytes of payload (msg_qbytes), 1 to 2147483647
}

// Set changes the settings of the queue: it reads them, lets change edit them,
// and writes them back. The caller must be the owner or the creator of the
// queue, or root. If two processes call it at once, one may undo what the other
// did.
//
//	err := q.Set(func(s *sysv.Settings) { s.Capacity = 1 << 20 })
//
// A Capacity above kernel.msgmnb needs CAP_SYS_RESOURCE. It may be less than
// the bytes in the queue: nothing is lost, and senders wait until there is room
// again. Waiting senders of this handle are woken and try with the new
// settings.
//
// If Set returns an error, nothing was changed. The error matches
// [mq.ErrInvalidConfig], fs.ErrPermission or [mq.ErrRemoved].
//
// See msgctl(2), IPC_SET.
func (q *Queue) Set(change func(*Settings)) error {
	if err := q.usable("set", true); err != nil {
		return err
	}
	ds, errno := q.statAnyhow()
	if errno != 0 {
		return q.errno("set", errno)
	}
	s := Settings{Mode: fs.FileMode(ds.Mode) & permissions, UID: ds.UID, GID: ds.GID, Capacity: int64(ds.Qbytes)}
	change(&s)
	switch {
	case s.Mode&^permissions != 0:
		return q.handle.Fail("set", mq.ErrInvalidConfig, nil,
			fmt.Sprintf("Mode = %v has bits other than read and write for owner, group and others (0666)", s.Mode))
	case s.Capacity < 1:
		return q.handle.Fail("set", mq.ErrInvalidConfig, nil,
			fmt.Sprintf("Capacity = %d: nothing could ever be sent; the minimum is 1 byte", s.Capacity))
	case s.Capacity > math.MaxInt32: // the kernel would drop the upper bits
		return q.handle.Fail("set", mq.ErrInvalidConfig, nil,
			fmt.Sprintf("Capacity = %d: the maximum is 2147483647 bytes", s.Capacity))
	}
	old := int64(ds.Qbytes)
	ds.Mode, ds.UID, ds.GID, ds.Qbytes = ds.Mode&^uint32(permissions)|uint32(s.Mode), s.UID, s.GID, uint64(s.Capacity)
	if errno := sys.MsgSet(q.id, ds); errno != 0 {
		return q.setError(errno, s, old)
	}
	q.calls.WakeAll() // sleeping senders may wait for room that there can no longer be
	return nil
}

// permissions are the mode bits that have a meaning for a message queue. A
// queue may have others: C programs create some with mode 0777.
const permissions fs.FileMode = 0o666

func (q *Queue) setError(errno sys.Errno, s Settings, old int64) error {
	if errno == sys.EINVAL {
		// Only the ids can be at fault; or the queue is gone.
		if _, e := q.statAnyhow(); e == 0 {
			return q.handle.Fail("set", mq.ErrInvalidConfig, errno,
				fmt.Sprintf("owner %d:%d does not exist in this user namespace; set UID and GID to ids that do", s.UID, s.GID))
		}
	}
	now, err := SystemLimits()
	if errno != sys.EPERM || err != nil || s.Capacity <= int64(now.DefaultCapacity) {
		return q.errno("set", errno)
	}
	if s.Capacity == old {
		return q.handle.Fail("set", fs.ErrPermission, errno, fmt.Sprintf(
			"the capacity of the queue, %d bytes, is above kernel.msgmnb = %d, which was lowered: set Capacity to %d as well, or %s%s",
			old, now.DefaultCapacity, now.DefaultCapacity, limits.MsgMnb.SetAtLeast(old), q.orOwner()))
	}
	return q.handle.Fail("set", fs.ErrPermission, errno, fmt.Sprintf(
		"capacity of %d bytes exceeds kernel.msgmnb = %d (%s, or CAP_SYS_RESOURCE)%s",
		s.Capacity, now.DefaultCapacity, limits.MsgMnb.SetAtLeast(s.Capacity), q.orOwner()))
}

// orOwner adds, if this user is neither owner nor creator of the queue, that this
// may be the reason: the kernel returns the same errno.
func (q *Queue) orOwner() string {
	ds, errno := q.statAnyhow()
	if user := uint32(os.Geteuid()); errno != 0 || user == ds.UID || user == ds.CUID {
		return ""
	}
	return "; or this user is neither owner nor creator of the queue"
}
