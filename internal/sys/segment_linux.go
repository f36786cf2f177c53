package sys

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Segment is System V shared memory that is attached.
type Segment struct{ mem []byte }

func errnoOf(err error) Errno {
	errno, _ := err.(syscall.Errno)
	return errno
}

// Shmget wraps shmget(2).
func Shmget(key uint32, size, flags int) (id int, errno Errno) {
	id, err := unix.SysvShmGet(int(int32(key)), size, flags)
	return id, errnoOf(err)
}

// ShmStat wraps shmctl(2), IPC_STAT.
func ShmStat(id int) (Shmid, Errno) {
	var d unix.SysvShmDesc
	_, err := unix.SysvShmCtl(id, unix.IPC_STAT, &d)
	return Shmid{UID: d.Perm.Uid, GID: d.Perm.Gid, CUID: d.Perm.Cuid, CGID: d.Perm.Cgid,
		Mode: uint32(d.Perm.Mode) & 0o777, Size: int64(d.Segsz), Creator: int(d.Cpid), Attached: int(d.Nattch)}, errnoOf(err)
}

// ShmSet wraps shmctl(2), IPC_SET, which reads UID, GID and Mode.
func ShmSet(id int, s Shmid) Errno {
	var d unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &d); err != nil {
		return errnoOf(err)
	}
	d.Perm.Uid, d.Perm.Gid = s.UID, s.GID
	setMode(&d.Perm.Mode, s.Mode)
	_, err := unix.SysvShmCtl(id, unix.IPC_SET, &d)
	return errnoOf(err)
}

// setMode sets the permissions, in a field whose width is not the same everywhere.
func setMode[T uint16 | uint32](field *T, mode uint32) { *field = *field&^0o777 | T(mode) }

// ShmRemove wraps shmctl(2), IPC_RMID: the segment ends with its last user.
func ShmRemove(id int) Errno {
	_, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	return errnoOf(err)
}

// ShmAttach wraps shmat(2). A segment cannot be cut short, as a file can: what
// is attached stays.
func ShmAttach(id int, readOnly bool) (*Segment, Errno) {
	flags := 0
	if readOnly {
		flags = unix.SHM_RDONLY
	}
	mem, err := unix.SysvShmAttach(id, 0, flags)
	if err != nil {
		return nil, errnoOf(err)
	}
	return &Segment{mem}, 0
}

// Detach wraps shmdt(2). Nothing of the segment may be used afterwards.
func (s *Segment) Detach() { _ = unix.SysvShmDetach(s.mem) }

// Advices of madvise(2), from <asm-generic/mman-common.h>.
const (
	populateRead  = 22
	populateWrite = 23
)

// Populate wraps madvise(2), MADV_POPULATE_READ or MADV_POPULATE_WRITE: it maps n
// bytes at an offset that the size of a page divides, in less time than one fault for
// each page takes. Where it is not known, before Linux 5.14, the faults do it.
func (s *Segment) Populate(offset, n int, write bool) {
	advice := populateRead
	if write {
		advice = populateWrite
	}
	_ = unix.Madvise(s.mem[offset:offset+n], advice)
}

// Size returns the bytes of the segment.
func (s *Segment) Size() int { return len(s.mem) }

// Bytes returns n bytes of the segment. Other processes may change them at any
// time.
func (s *Segment) Bytes(offset, n int) []byte { return s.mem[offset : offset+n : offset+n] }

// Words returns n words of the segment, at an offset that 8 divides.
func (s *Segment) Words(offset, n int) []atomic.Uint64 {
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(&s.Bytes(offset, 8*n)[0])), n)
}

// Word32 returns the word of 32 bits at an offset that 4 divides.
func (s *Segment) Word32(offset int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&s.Bytes(offset, 4)[0]))
}
