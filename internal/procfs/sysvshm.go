package procfs

import (
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"

	"ipcmq/internal/sys"
)

// A Segment is one line of /proc/sysvipc/shm.
type Segment struct {
	ID  int
	Key uint32
	sys.Shmid
	Removed bool // it goes when nobody has it attached any more, and has no key
}

// shmDest is SHM_DEST of <linux/shm.h>.
const shmDest = 0o1000

// Segments returns an iterator over the lines of sysvipc/shm in proc. An error is
// the last pair. Invalid lines are skipped, and the error is about the first.
func Segments(proc fs.FS) iter.Seq2[Segment, error] {
	return entries(proc, "sysvipc/shm", parseSegment)
}

// parseSegment reads the columns key, shmid, perms, size, cpid, lpid, nattch, uid,
// gid, cuid, cgid, and leaves the rest. Only perms is octal, and only the key can
// be negative.
func parseSegment(line string) (Segment, error) {
	f := strings.Fields(line)
	if len(f) < 14 {
		return Segment{}, fmt.Errorf("/proc/sysvipc/shm: %d columns instead of 14 in %q", len(f), line)
	}
	var bad error
	number := func(column, base, bits int) uint64 {
		n, err := strconv.ParseUint(f[column], base, bits)
		if err != nil && bad == nil {
			bad = fmt.Errorf("/proc/sysvipc/shm: column %d of %q: %w", column+1, line, err)
		}
		return n
	}
	user := func(column int) uint32 { return uint32(number(column, 10, 32)) }
	key, err := strconv.ParseInt(f[0], 10, 32)
	if err != nil {
		return Segment{}, fmt.Errorf("/proc/sysvipc/shm: column 1 of %q: %w", line, err)
	}
	mode := number(2, 8, 32)
	s := Segment{
		ID: int(number(1, 10, 31)), Key: uint32(key), Removed: mode&shmDest != 0,
		Shmid: sys.Shmid{
			Mode: uint32(mode) & 0o777, Size: int64(number(3, 10, 63)), Creator: int(number(4, 10, 31)), Attached: int(number(6, 10, 31)),
			UID: user(7), GID: user(8), CUID: user(9), CGID: user(10),
		},
	}
	if bad != nil {
		return Segment{}, bad
	}
	return s, nil
}
