package sleep_test

import (
	"fmt"
	"os"
	"testing"

	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
)

// Calls that give up their turn before they have entered the kernel do not enter it:
// each would hold a thread.
func TestEverSmallerPayloadsHoldFewThreads(t *testing.T) {
	testutil.NotEmulated(t, "threads of the emulator sleep elsewhere")
	id, errno := sys.Msgget(0, sys.IPC_CREAT|0o600)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer sys.MsgRemove(id)
	const n = 1000
	buf := make([]byte, sys.TypeSize+n)
	sys.PutType(buf, 1)
	for errno == 0 {
		errno = sys.TryMsgsnd(id, buf, n, 0)
	}
	for errno = 0; errno == 0; {
		errno = sys.TryMsgsnd(id, buf, 0, 0) // which take no room, up to a number
	}
	var calls sleep.Calls
	answers := make(chan sys.Errno, n)
	for size := n; size > 0; size-- {
		go func() {
			answers <- calls.Sleep(t.Context(), sleep.Line{Send: true}, size, func(*sys.Deadline) sys.Errno {
				b := make([]byte, sys.TypeSize+size)
				sys.PutType(b, 1)
				return sys.Msgsnd(id, b, size, 0)
			})
		}()
	}
	testutil.Await(t, func() error {
		if waiting := calls.Waiting(); waiting < n {
			return fmt.Errorf("%d of %d wait", waiting, n)
		}
		if asleep := testutil.Asleep(os.Getpid(), "do_msgsnd"); asleep > 2 {
			return fmt.Errorf("%d threads sleep", asleep)
		}
		return nil
	})
	calls.Close()
	for range n {
		if errno := <-answers; errno != sys.EINTR {
			t.Fatal(errno)
		}
	}
}
