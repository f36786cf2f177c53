package procfs

import (
	"bufio"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"

	"ipcmq/internal/sys"
)

// A MessageQueue is one line of /proc/sysvipc/msg; Seq and Qbytes are not in it.
type MessageQueue struct {
	ID int
	sys.Msqid
}

// MessageQueues returns an iterator over the lines of sysvipc/msg in proc. An
// error is the last pair. Invalid lines are skipped, and the error is about the
// first.
func MessageQueues(proc fs.FS) iter.Seq2[MessageQueue, error] {
	return entries(proc, "sysvipc/msg", parseMessageQueue)
}

// entries is MessageQueues for a file whose lines parse reads.
func entries[T any](proc fs.FS, name string, parse func(line string) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		f, err := proc.Open(name)
		if err != nil {
			yield(none, err)
			return
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Scan() // the names of the columns
		var bad error
		for lines.Scan() {
			e, err := parse(lines.Text())
			if err != nil {
				if bad == nil {
					bad = err
				}
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			bad = err
		}
		if bad != nil {
			yield(none, bad)
		}
	}
}

// parseMessageQueue reads the columns key, msqid, perms, cbytes, qnum, lspid,
// lrpid, uid, gid, cuid, cgid, stime, rtime, ctime. Only perms is octal, and only the key and the times
// can be negative.
func parseMessageQueue(line string) (MessageQueue, error) {
	f := strings.Fields(line)
	if len(f) < 14 {
		return MessageQueue{}, fmt.Errorf("/proc/sysvipc/msg: %d columns instead of 14 in %q", len(f), line)
	}
	var bad error
	check := func(column int, err error) {
		if err != nil && bad == nil {
			bad = fmt.Errorf("/proc/sysvipc/msg: column %d of %q: %w", column+1, line, err)
		}
	}
	signed := func(column, bits int) int64 {
		n, err := strconv.ParseInt(f[column], 10, bits)
		check(column, err)
		return n
	}
	unsigned := func(column, base, bits int) uint64 {
		n, err := strconv.ParseUint(f[column], base, bits)
		check(column, err)
		return n
	}
	user := func(column int) uint32 { return uint32(unsigned(column, 10, 32)) }
	q := MessageQueue{
		ID: int(unsigned(1, 10, 31)),
		Msqid: sys.Msqid{
			Key: uint32(signed(0, 32)), Mode: uint32(unsigned(2, 8, 32)),
			Cbytes: unsigned(3, 10, 64), Qnum: unsigned(4, 10, 64),
			Lspid: int32(unsigned(5, 10, 31)), Lrpid: int32(unsigned(6, 10, 31)),
			UID: user(7), GID: user(8), CUID: user(9), CGID: user(10),
			Stime: signed(11, 64), Rtime: signed(12, 64), Ctime: signed(13, 64),
		},
	}
	if bad != nil {
		return MessageQueue{}, bad
	}
	return q, nil
}
