package sysv

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// A Key names a queue (key_t of <sys/types.h>). C's key_t is signed; a Key holds
// the same 32 bits without a sign, as ipcs(1) prints them.
type Key uint32

// Private is the key of queues without a name (IPC_PRIVATE): each Open with it
// creates a new queue, which others reach by its id.
const Private Key = 0

// String returns k in the form 0x0000002a, or "private".
func (k Key) String() string {
	if k == Private {
		return "private"
	}
	return fmt.Sprintf("0x%08x", uint32(k))
}

// ParseKey parses a key as tools and programs write it: decimal, hexadecimal
// with 0x, octal with 0, and also negative, as C prints a key_t. It refuses 0,
// which does not name a queue.
func ParseKey(s string) (Key, error) {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil || n < -1<<31 || n > 1<<32-1 || onlyGo(s) {
		return 0, &mq.Error{Op: "parse key", Kind: mq.ErrInvalidConfig,
			Detail: fmt.Sprintf("%q is not a 32-bit number such as 42, 0x2a or -42", s)}
	}
	if n == 0 {
		return 0, &mq.Error{Op: "parse key", Kind: mq.ErrInvalidConfig,
			Detail: fmt.Sprintf("%q is IPC_PRIVATE, which does not name a queue", s)}
	}
	return Key(uint32(n)), nil
}

// onlyGo reports whether s is a number in Go but not in other programs: one
// with underscores, or with the prefix 0b or 0o.
func onlyGo(s string) bool {
	digits := strings.ToLower(strings.TrimLeft(s, "+-"))
	return strings.Contains(s, "_") || strings.HasPrefix(digits, "0b") || strings.HasPrefix(digits, "0o")
}

// Ftok derives a key from an existing file and a project number, as ftok(3) of
// the GNU C library does: 8 bits of proj, 8 of the device number and 16 of the
// inode number. Different files can give the same key, and a replaced file
// gives another key than before.
//
// Ftok refuses the two results that would be misread, 0 (IPC_PRIVATE) and -1
// (which C takes for an error); another proj gives another key.
func Ftok(path string, proj byte) (Key, error) {
	dev, ino, err := sys.FileID(path)
	if err != nil {
		return 0, &os.PathError{Op: "ftok", Path: path, Err: err}
	}
	return ftok(path, proj, dev, ino)
}

func ftok(path string, proj byte, dev, ino uint64) (Key, error) {
	k := Key(uint32(proj)<<24 | uint32(dev&0xff)<<16 | uint32(ino&0xffff))
	if k == Private || k == ^Key(0) {
		return 0, &mq.Error{Op: "ftok", Kind: mq.ErrInvalidConfig,
			Detail: fmt.Sprintf("%s with project %d gives the key %d, which does not name a queue; use another project number or file",
				path, proj, int32(k))}
	}
	return k, nil
}
