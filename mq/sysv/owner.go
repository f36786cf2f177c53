package sysv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"ipcmq/internal/procfs"
)

// The record of the owner of an inbox; PROTOCOL.md of package ipcmq/mux/rpc specifies it.
const (
	recordSize    = 40
	recordVersion = 1
	recordKind    = 6
)

var recordMagic = [4]byte{'i', 'p', 'c', 'q'}

// ownRecord returns the record of this process. If it cannot find out what
// others need to judge it, the record has zeros, and they never judge it dead.
func ownRecord() []byte {
	p, err := procfs.Self(procfs.Root)
	if err != nil {
		p = procfs.Process{}
	}
	b := append(recordMagic[:], recordVersion, recordKind, 0, 0)
	for _, n := range []uint64{uint64(p.PID), p.Start, p.PIDSpace, p.TimeSpace} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

var errRecord = errors.New("not the record of an inbox's owner")

// parseRecord returns the process that a record names.
func parseRecord(b []byte) (procfs.Process, error) {
	if len(b) != recordSize || [4]byte(b) != recordMagic || b[4] != recordVersion || b[5] != recordKind {
		return procfs.Process{}, errRecord
	}
	field := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8+8*i:]) }
	if pid := field(0); pid == 0 || pid > math.MaxInt32 {
		return procfs.Process{}, fmt.Errorf("%w: pid %d", errRecord, pid)
	}
	return procfs.Process{PID: int(field(0)), Start: field(1), PIDSpace: field(2), TimeSpace: field(3)}, nil
}

// ownerOf returns the process that an inbox belongs to.
func ownerOf(id int) (procfs.Process, error) {
	in := newQueue(id, fmt.Sprintf("inbox (id %d)", id), false, Config{})
	m, err := in.Peek(0)
	if err != nil {
		return procfs.Process{}, err
	}
	if m.Type != recordType {
		return procfs.Process{}, errRecord
	}
	return parseRecord(m.Data)
}
