//go:build linux && (386 || arm || mips || mipsle)

package sys

import "golang.org/x/sys/unix"

// The calls of old take times of 32 bits, which end in 2038; those with times
// of 64 bits came with Linux 5.1.

func mqTimedsend(d *Deadline) uintptr {
	if d == nil {
		return unix.SYS_MQ_TIMEDSEND
	}
	return unix.SYS_MQ_TIMEDSEND_TIME64
}

func mqTimedreceive(d *Deadline) uintptr {
	if d == nil {
		return unix.SYS_MQ_TIMEDRECEIVE
	}
	return unix.SYS_MQ_TIMEDRECEIVE_TIME64
}
