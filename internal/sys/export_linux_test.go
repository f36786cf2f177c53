package sys

import (
	"runtime"
	"unsafe"
)

// A Fill is a msgctl command that makes the kernel fill a struct.
type Fill struct {
	Name string
	Size int // bytes of the struct
	cmd  uintptr
}

// Fills lists what this package lets the kernel fill.
func Fills() []Fill {
	msqid := pick(120, 88)
	return []Fill{
		{"IPC_STAT", msqid, ipcStat},
		{"MSG_STAT_ANY", msqid, msgStatAny},
		{"IPC_INFO", int(unsafe.Sizeof(Msginfo{})), ipcInfo},
		{"MSG_INFO", int(unsafe.Sizeof(Msginfo{})), msgInfo},
	}
}

// Into makes the call with buf, which is larger than the struct.
func (f Fill) Into(id int, buf []byte) Errno {
	_, errno := msgctl(uintptr(id), f.cmd, unsafe.Pointer(unsafe.SliceData(buf)))
	runtime.KeepAlive(buf)
	return errno
}

// MsqidRoom is the bytes that this package gives to IPC_STAT.
const MsqidRoom = len(msqidBuf{})
