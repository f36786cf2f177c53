package sys

import (
	"encoding/binary"
	"runtime"
)

// msqidBuf holds struct msqid64_ds of <asm/msgbuf.h>, as the kernel lays it
// out: 120 bytes where a long has 64 bits, 88 where it has 32.
type msqidBuf [15 * 8]byte

// Offsets in msqidBuf. The fields before these are 32 bits each on every
// architecture; mode and seq may be 16 bits with zeros next to them.
const (
	offKey, offUID, offGID, offCUID, offCGID, offMode, offSeq = 0, 4, 8, 12, 16, 20, 24

	is32 = longSize == 4
)

var (
	offTimes  = pick(48, 36) // stime, rtime, ctime: 8 bytes each
	offCbytes = pick(72, 60) // cbytes, qnum, qbytes: a long each
	offLspid  = pick(96, 72) // lspid, lrpid: 4 bytes each
)

func pick(on64, on32 int) int {
	if is32 {
		return on32
	}
	return on64
}

func (b *msqidBuf) u32(off int) uint32       { return binary.NativeEndian.Uint32(b[off:]) }
func (b *msqidBuf) putU32(off int, v uint32) { binary.NativeEndian.PutUint32(b[off:], v) }

func (b *msqidBuf) long(off int) uint64 {
	if is32 {
		return uint64(b.u32(off))
	}
	return binary.NativeEndian.Uint64(b[off:])
}

// time returns a time in seconds. On 32 bits it is a low and a high word; the
// high one stands first on big-endian mips only, so that the pair reads as one
// number in the byte order of the machine on every one of them.
func (b *msqidBuf) time(off int) int64 {
	return int64(binary.NativeEndian.Uint64(b[off:]))
}

func (b *msqidBuf) decode() Msqid {
	seq := b.u32(offSeq)
	if runtime.GOARCH == "mips" || runtime.GOARCH == "mips64" {
		seq >>= 16 // a short with its padding behind it
	}
	return Msqid{
		Key: b.u32(offKey), UID: b.u32(offUID), GID: b.u32(offGID), CUID: b.u32(offCUID), CGID: b.u32(offCGID),
		Mode: b.u32(offMode), Seq: seq,
		Stime: b.time(offTimes), Rtime: b.time(offTimes + 8), Ctime: b.time(offTimes + 16),
		Cbytes: b.long(offCbytes), Qnum: b.long(offCbytes + longSize), Qbytes: b.long(offCbytes + 2*longSize),
		Lspid: int32(b.u32(offLspid)), Lrpid: int32(b.u32(offLspid + 4)),
	}
}

// encode stores what IPC_SET reads.
func (b *msqidBuf) encode(ds Msqid) {
	b.putU32(offUID, ds.UID)
	b.putU32(offGID, ds.GID)
	b.putU32(offMode, ds.Mode)
	if off := offCbytes + 2*longSize; is32 {
		b.putU32(off, uint32(ds.Qbytes))
	} else {
		binary.NativeEndian.PutUint64(b[off:], ds.Qbytes)
	}
}
