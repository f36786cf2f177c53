package sysv

import (
	"sync"

	"ipcmq/internal/sys"
)

const (
	// defaultSize stands in for kernel.msgmax where it cannot be read.
	defaultSize = 8192

	// maxInitialSize limits the room a receive makes before it has seen a
	// message that needs more: kernel.msgmax may be raised to 2 GiB.
	maxInitialSize = 64 << 10

	// maxPooled is the largest buffer that is kept for the next call.
	maxPooled = 1 << 20

	// maxRaw is the largest payload that is copied without notifying the
	// scheduler; the copy takes about 5 microseconds.
	maxRaw = 64 << 10
)

// buffers holds *[]byte for use as struct msgbuf: the type, then the payload.
// The kernel requires both in one piece, which a caller's slice is not.
var buffers sync.Pool

// getBuffer returns a buffer with room for n bytes of payload.
func getBuffer(n int) *[]byte {
	if b, ok := buffers.Get().(*[]byte); ok && len(*b) >= sys.TypeSize+n {
		return b
	}
	b := make([]byte, sys.TypeSize+max(n, defaultSize))
	return &b
}

func putBuffer(b *[]byte) {
	if len(*b) <= sys.TypeSize+maxPooled {
		buffers.Put(b)
	}
}

// initialSize returns for how many bytes of payload to make room at first.
func initialSize() int64 {
	info, errno := sys.MsgLimits()
	if errno != 0 {
		return defaultSize
	}
	return int64(min(info.Max, maxInitialSize))
}

// grow makes room for a message that is longer than n bytes: as much as
// kernel.msgmax allows now, or twice as much as before if that is not enough
// because it was lowered.
func (q *Queue) grow(n int) {
	next := max(2*int64(n), defaultSize)
	if info, errno := sys.MsgLimits(); errno == 0 && int64(info.Max) > int64(n) {
		next = min(next, int64(info.Max))
	}
	for {
		size := q.size.Load()
		if size >= next || q.size.CompareAndSwap(size, next) {
			return
		}
	}
}
