package sys

import "unsafe"

// Commands of msgctl(2), from <linux/ipc.h> and <linux/msg.h>.
const (
	ipcRmid    = 0
	ipcSet     = 1
	ipcStat    = 2
	ipcInfo    = 3
	msgInfo    = 12
	msgStatAny = 13
)

// MsgStat wraps msgctl(2), IPC_STAT.
func MsgStat(id int) (Msqid, Errno) {
	var b msqidBuf
	_, errno := msgctl(uintptr(id), ipcStat, unsafe.Pointer(&b))
	return b.decode(), errno
}

// MsgStatAny wraps msgctl(2), MSG_STAT_ANY: it needs no permission, takes an
// index of the kernel's table of queues, and returns the id found there.
func MsgStatAny(index int) (id int, ds Msqid, errno Errno) {
	var b msqidBuf
	r, errno := msgctl(uintptr(index), msgStatAny, unsafe.Pointer(&b))
	return int(r), b.decode(), errno
}

// MsgSet wraps msgctl(2), IPC_SET, which reads UID, GID, Mode and Qbytes.
func MsgSet(id int, ds Msqid) Errno {
	var b msqidBuf
	b.encode(ds)
	_, errno := msgctl(uintptr(id), ipcSet, unsafe.Pointer(&b))
	return errno
}

// MsgRemove wraps msgctl(2), IPC_RMID.
func MsgRemove(id int) Errno {
	_, errno := msgctl(uintptr(id), ipcRmid, nil)
	return errno
}

// MsgLimits wraps msgctl(2), IPC_INFO.
func MsgLimits() (Msginfo, Errno) {
	var i Msginfo
	_, errno := msgctl(0, ipcInfo, unsafe.Pointer(&i))
	return i, errno
}

// MsgUsage wraps msgctl(2), MSG_INFO: in the result Pool counts queues, Map
// messages and Tql bytes. It also returns the highest index in use.
func MsgUsage() (maxIndex int, info Msginfo, errno Errno) {
	var i Msginfo
	r, errno := msgctl(0, msgInfo, unsafe.Pointer(&i))
	return int(r), i, errno
}

// Msginfo is passed to the kernel as it is.
const (
	_ = uint(unsafe.Sizeof(Msginfo{}) - 32)
	_ = uint(32 - unsafe.Sizeof(Msginfo{}))
)
