package posix_test

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

func TestASandboxIsNamed(t *testing.T) {
	testutil.NotEmulated(t, "the emulator does not know seccomp")
	for _, errno := range []sys.Errno{sys.EPERM, sys.ENOSYS} {
		child(t, "sandboxed", "/"+t.Name(), strconv.Itoa(int(errno)))
	}
}

func init() {
	roles["sandboxed"] = func() {
		number, _ := strconv.Atoi(os.Args[2])
		errno := sys.Errno(number)
		q, err := posix.Open(os.Args[1], &posix.Config{Exclusive: true})
		if err != nil {
			fail("%v", err)
		}
		q.Unlink()
		if err := sys.ForbidQueues(errno); err != nil {
			fail("%v", err)
		}
		_, opened := posix.Open(os.Args[1], nil)
		_, received := q.TryReceive()
		_, attr := q.Attr()
		for _, err := range []error{opened, received, attr, q.TrySend(mq.Message{})} {
			if !errors.Is(err, errno) || !strings.Contains(err.Error(), "a sandbox such as gVisor or seccomp forbids them") {
				fail("%v: %v", errno, err)
			}
		}
	}
}
