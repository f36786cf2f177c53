//go:build linux && !(386 || arm || mips || mipsle)

package sys

import "golang.org/x/sys/unix"

func mqTimedsend(*Deadline) uintptr    { return unix.SYS_MQ_TIMEDSEND }
func mqTimedreceive(*Deadline) uintptr { return unix.SYS_MQ_TIMEDRECEIVE }
