package store

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// onlySelf reports whether only this user may use the store.
func (r Readers) onlySelf() bool { return r.UID == uint32(os.Geteuid()) && r.Mode&^0o600 == 0 }

// creationError names the limit that prevents creating a segment of the given
// size.
func creationError(size int, errno sys.Errno) *mq.Error {
	const less = "or send less at once: see MaxPayload and Memory"
	limit := func(name string) int64 {
		b, _ := fs.ReadFile(procfs.Root, "sys/kernel/"+name)
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		if err != nil {
			return 1<<63 - 1 // not known, or effectively none
		}
		return n
	}
	switch errno {
	case sys.EINVAL:
		if most := limit("shmmax"); int64(size) > most {
			return refuse(nil, errno, "%d bytes of shared memory exceed kernel.shmmax = %d (sysctl -w kernel.shmmax=%d, %s)", size, most, size, less)
		}
	case sys.ENOSPC:
		return refuse(nil, errno, "%d bytes of shared memory, %d pages, exceed what is left of kernel.shmall = %d pages, or there are kernel.shmmni = %d segments (see ipcs -m; raise them with sysctl -w, %s)",
			size, (size+page-1)/page, limit("shmall"), limit("shmmni"), less)
	case sys.ENOMEM:
		return refuse(nil, errno, "the system has no memory for %d bytes of shared memory, or RLIMIT_AS or vm.overcommit_memory forbids them (raise them, %s)", size, less)
	case sys.EPERM, sys.EACCES:
		return refuse(fs.ErrPermission, errno, "users who may read the queue cannot be given access to the memory: this user may not set its owner")
	case sys.ENOSYS:
		return refuse(errors.ErrUnsupported, errno, "this system has no System V shared memory, or a sandbox such as seccomp forbids it")
	}
	return refuse(nil, errno, "%d bytes of shared memory cannot be allocated", size)
}
