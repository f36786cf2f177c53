package sys

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// Gettid returns the id of the calling thread; it means something only to a
// goroutine that is locked to its thread.
func Gettid() int { return unix.Gettid() }

// Kick sends SIGURG to a thread of this process, so that a system call it is
// blocked in returns EINTR. SIGURG is what the Go runtime sends itself to
// preempt goroutines, so a kick that comes too late or too early does no harm.
func Kick(tid int) { _ = unix.Tgkill(pid(), tid, unix.SIGURG) }

var pid = sync.OnceValue(unix.Getpid)

// KicksIgnored reports that the program has asked for SIGURG to be ignored:
// no kick has an effect.
func KicksIgnored() bool { return signal.Ignored(unix.SIGURG) }

// IgnoreKicks makes this program one that has SIGURG ignored; for tests.
func IgnoreKicks() { signal.Ignore(unix.SIGURG) }

// StopIgnoringKicks makes SIGURG reach the Go runtime again, which does nothing
// with it but return EINTR, after the program had it ignored.
func StopIgnoringKicks() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGURG)
	signal.Stop(c)
}
