package sys

import (
	"encoding/binary"
	"math"
	"strconv"
)

// Flags and commands of <linux/ipc.h> and <linux/msg.h>; they are the same on
// every architecture.
const (
	IPC_CREAT  = 0o1000
	IPC_EXCL   = 0o2000
	IPC_NOWAIT = 0o4000

	MSG_NOERROR = 0o10000
	MSG_EXCEPT  = 0o20000
	MSG_COPY    = 0o40000
)

// longSize is the size in bytes of a C long, which holds the message type.
const longSize = strconv.IntSize / 8

// TypeSize is the room in bytes that the type takes at the head of the buffers
// that Msgsnd and Msgrcv use (struct msgbuf of <linux/msg.h>).
const TypeSize = longSize

// MaxType is the largest message type here.
const MaxType = math.MaxInt

// PutType stores the message type t at the head of buf.
func PutType(buf []byte, t int64) {
	if longSize == 4 {
		binary.NativeEndian.PutUint32(buf, uint32(t))
		return
	}
	binary.NativeEndian.PutUint64(buf, uint64(t))
}

// GetType returns the message type at the head of buf.
func GetType(buf []byte) int64 {
	if longSize == 4 {
		return int64(int32(binary.NativeEndian.Uint32(buf)))
	}
	return int64(binary.NativeEndian.Uint64(buf))
}

// Msqid is what msgctl(2) reports about a queue (struct msqid_ds), times in seconds
// since 1970, 0 for never.
type Msqid struct {
	Key                 uint32
	UID, GID            uint32
	CUID, CGID          uint32
	Mode                uint32
	Seq                 uint32
	Stime, Rtime, Ctime int64
	Cbytes, Qnum        uint64
	Qbytes              uint64
	Lspid, Lrpid        int32
}

// Msginfo is struct msginfo of <linux/msg.h>, 32 bytes on every architecture.
type Msginfo struct {
	Pool, Map, Max, Mnb, Mni, Ssz, Tql int32
	Seg                                uint16
}
