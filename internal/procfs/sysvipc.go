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
// error is the last pair.
func MessageQueues(proc fs.FS) iter.Seq2[MessageQueue, error] {
	return func(yield func(MessageQueue, error) bool) {
		f, err := proc.Open("sysvipc/msg")
		if err != nil {
			yield(MessageQueue{}, err)
			return
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Scan() // the names of the columns
		for lines.Scan() {
			q, err := parseMessageQueue(lines.Text())
			if !yield(q, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(MessageQueue{}, err)
		}
	}
}

// parseMessageQueue reads the columns key, msqid, perms, cbytes, qnum, lspid,
// lrpid, uid, gid, cuid, cgid, stime, rtime, ctime. Only perms is octal.
func parseMessageQueue(line string) (MessageQueue, error) {
	f := strings.Fields(line)
	if len(f) < 14 {
		return MessageQueue{}, fmt.Errorf("sysvipc/msg: %d columns instead of 14 in %q", len(f), line)
	}
	var bad error
	number := func(column, base, bits int) int64 {
		n, err := strconv.ParseInt(f[column], base, bits)
		if err != nil && bad == nil {
			bad = fmt.Errorf("sysvipc/msg: column %d of %q: %w", column+1, line, err)
		}
		return n
	}
	id := func(column int) uint32 { return uint32(number(column, 10, 64)) }
	q := MessageQueue{
		ID: int(number(1, 10, 32)),
		Msqid: sys.Msqid{
			Key: uint32(number(0, 10, 32)), Mode: uint32(number(2, 8, 32)),
			Cbytes: uint64(number(3, 10, 64)), Qnum: uint64(number(4, 10, 64)),
			Lspid: int32(number(5, 10, 32)), Lrpid: int32(number(6, 10, 32)),
			UID: id(7), GID: id(8), CUID: id(9), CGID: id(10),
			Stime: number(11, 10, 64), Rtime: number(12, 10, 64), Ctime: number(13, 10, 64),
		},
	}
	if bad != nil {
		return MessageQueue{}, bad
	}
	return q, nil
}
