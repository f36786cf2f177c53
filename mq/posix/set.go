package posix

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Settings are what can be changed in an existing queue; its sizes are fixed.
type Settings struct {
	Mode     fs.FileMode // permissions: read and write for owner, group, others (0666); other bits stay as they are
	UID, GID uint32      // owner
}

// permissions are the mode bits that have a meaning for a message queue.
const permissions fs.FileMode = 0o666

// Set changes the settings of the queue: it reads them, lets change edit them,
// and applies what has changed. Open handles keep their access. The owner may
// change the mode, and the group to one of the owner's groups; processes with
// CAP_CHOWN may change the user.
//
//	err := q.Set(func(s *posix.Settings) { s.Mode = 0o660 })
//
// If Set returns an error, nothing was changed. The error matches
// [mq.ErrInvalidConfig], fs.ErrPermission or [mq.ErrClosed].
//
// See fchmod(2) and fchown(2).
func (q *Queue) Set(change func(*Settings)) error {
	if err := q.usable("set", true); err != nil {
		return err
	}
	info, err := q.file.Stat()
	if err != nil {
		return q.fileError("set", err)
	}
	status, mode := sys.FileStatus(info), info.Mode().Perm()
	old := Settings{Mode: mode & permissions, UID: status.UID, GID: status.GID}
	s := old
	change(&s)
	switch {
	case s.Mode&^permissions != 0:
		return q.handle.Fail("set", mq.ErrInvalidConfig, nil,
			fmt.Sprintf("Mode = %v has bits other than read and write for owner, group and others (0666)", s.Mode))
	case s.UID == math.MaxUint32 || s.GID == math.MaxUint32: // chown(2) would not change it
		return q.handle.Fail("set", mq.ErrInvalidConfig, nil, "4294967295 is neither a user nor a group")
	}
	// The mode first, since a change of the owner could not be undone.
	if s.Mode != old.Mode {
		if err := q.file.Chmod(mode&^permissions | s.Mode); err != nil {
			return q.setError(err, s)
		}
	}
	uid, gid := -1, -1 // no change
	if s.UID != old.UID {
		uid = int(int32(s.UID)) // on 32-bit systems too
	}
	if s.GID != old.GID {
		gid = int(int32(s.GID))
	}
	if uid == -1 && gid == -1 {
		return nil
	}
	if err := q.file.Chown(uid, gid); err != nil {
		if s.Mode != old.Mode {
			err = errors.Join(err, q.file.Chmod(mode))
		}
		return q.setError(err, s)
	}
	return nil
}

func (q *Queue) setError(err error, s Settings) error {
	switch {
	case errors.Is(err, sys.EPERM):
		return q.handle.Fail("set", fs.ErrPermission, sys.EPERM,
			"only the owner of the queue and root may do this; changing the owner, or to a group that the owner is not in, needs CAP_CHOWN")
	case errors.Is(err, sys.EINVAL):
		return q.handle.Fail("set", mq.ErrInvalidConfig, sys.EINVAL,
			fmt.Sprintf("owner %d:%d does not exist in this user namespace", s.UID, s.GID))
	}
	return q.fileError("set", err)
}
