//go:build !linux

package sys

import "sync/atomic"

// A Segment is System V shared memory that is attached.
type Segment struct{}

// See segment_linux.go for these functions.

func Shmget(uint32, int, int) (int, Errno)      { return 0, ENOSYS }
func ShmStat(int) (Shmid, Errno)                { return Shmid{}, ENOSYS }
func ShmSet(int, Shmid) Errno                   { return ENOSYS }
func ShmRemove(int) Errno                       { return ENOSYS }
func ShmAttach(int, bool) (*Segment, Errno)     { return nil, ENOSYS }
func (*Segment) Detach()                        {}
func (*Segment) Populate(int, int, bool)        {}
func (*Segment) Size() int                      { return 0 }
func (*Segment) Bytes(int, int) []byte          { return nil }
func (*Segment) Words(int, int) []atomic.Uint64 { return nil }
func (*Segment) Word32(int) *atomic.Uint32      { return nil }
