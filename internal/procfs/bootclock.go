package procfs

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A BootClock is the time since the boot of this system, the same in every
// process, which nobody can set.
type BootClock struct {
	ID     [16]byte      // of the boot
	offset time.Duration // of CLOCK_BOOTTIME in the time namespace of this process
}

// ownBootClock does not change as long as a process lives.
var ownBootClock = sync.OnceValues(func() (BootClock, error) { return NewBootClock(Root) })

// NewBootClock returns the clock of this process. In a time namespace the kernel
// shifts CLOCK_BOOTTIME by an offset, which proc shows only for the namespace of
// children: if that is another one, the error matches errors.ErrUnsupported.
func NewBootClock(proc fs.FS) (c BootClock, err error) {
	b, err := fs.ReadFile(proc, "sys/kernel/random/boot_id")
	if err != nil {
		return c, err
	}
	digits := strings.ReplaceAll(string(bytes.TrimSpace(b)), "-", "")
	if n, err := hex.Decode(c.ID[:], []byte(digits[:min(len(digits), 32)])); err != nil || n != 16 || len(digits) != 32 {
		return BootClock{}, fmt.Errorf("sys/kernel/random/boot_id: %q is no id", b)
	}
	b, err = fs.ReadFile(proc, "self/timens_offsets")
	if errors.Is(err, fs.ErrNotExist) { // the kernel has no time namespaces
		return c, nil
	}
	if err != nil {
		return BootClock{}, err
	}
	if own := namespace(proc, "time"); own == 0 || own != namespace(proc, "time_for_children") {
		return BootClock{}, fmt.Errorf("the time namespace of this process is not that of its children, whose offset is known: %w", errors.ErrUnsupported)
	}
	c.offset, err = bootOffset(b)
	return c, err
}

// bootOffset returns the offset of CLOCK_BOOTTIME, which is in the second line:
//
//	monotonic           0         0
//	boottime         3600         5
func bootOffset(b []byte) (time.Duration, error) {
	for line := range bytes.Lines(b) {
		fields := strings.Fields(string(line))
		if len(fields) != 3 || fields[0] != "boottime" {
			continue
		}
		s, err := strconv.ParseInt(fields[1], 10, 64)
		ns, err2 := strconv.ParseInt(fields[2], 10, 64)
		const most = int64(1<<63-1) / int64(time.Second)
		if err != nil || err2 != nil || s < -most || s >= most || ns < 0 || ns >= int64(time.Second) {
			break
		}
		return time.Duration(s)*time.Second + time.Duration(ns), nil
	}
	return 0, fmt.Errorf("timens_offsets: %q has no offset of boottime", b)
}

// BootTime reads the clock of this process.
func BootTime() (id [16]byte, now time.Duration, err error) {
	c, err := ownBootClock()
	if err != nil {
		return c.ID, 0, err
	}
	t, errno := sinceBoot.now()
	if errno != 0 {
		return c.ID, 0, errno
	}
	return c.ID, t - c.offset, nil
}
