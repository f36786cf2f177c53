package sys

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// UnshareTime has the children of the calling thread, to which its goroutine must
// be locked for good, be in a time namespace of their own, where CLOCK_BOOTTIME is
// ahead by offset; for tests. See time_namespaces(7).
func UnshareTime(offset time.Duration) error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return err
	}
	text := fmt.Sprintf("boottime %d 0", offset/time.Second)
	return os.WriteFile(fmt.Sprintf("/proc/%d/timens_offsets", Gettid()), []byte(text), 0)
}
