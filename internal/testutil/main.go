// Package testutil is what the tests of ipcmq share: a private IPC namespace
// around each test binary, child processes that are the test binary itself,
// and checks for goroutines and queues left behind.
package testutil

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"ipcmq/internal/sys"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// Environment variables that configure a test binary.
const (
	envRole      = "IPCMQ_TEST_ROLE"      // run this function instead of the tests
	envNamespace = "IPCMQ_TEST_NAMESPACE" // "private" or "shared": do not make one
	envMount     = "IPCMQ_TEST_MQUEUE"    // directory for the POSIX queues of the private namespace
	envExec      = "IPCMQ_TEST_EXEC"      // command that runs the test binary, such as an emulator
)

// TestMain of every package calls Main. It moves the test binary into a private
// IPC namespace, so that tests neither see nor disturb other queues and may
// change the limits; runs the tests; and fails if goroutines or queues are left
// behind.
//
// A process that [Command] has started runs the function of its role instead.
func Main(m *testing.M, roles map[string]func()) {
	if role := os.Getenv(envRole); role != "" {
		f, ok := roles[role]
		if !ok {
			fmt.Fprintf(os.Stderr, "testutil: no role %q in this test binary\n", role)
			os.Exit(2)
		}
		f()
		os.Exit(0)
	}
	if os.Getenv(envNamespace) == "" && runtime.GOOS == "linux" {
		reexec()
	}
	mountQueues()
	if code := m.Run(); code != 0 {
		os.Exit(code)
	}
	if err := errors.Join(goleak.Find(), leftQueues()); err != nil {
		fmt.Fprintln(os.Stderr, "testutil: after the tests:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// reexec runs this process again in a private IPC namespace and ends with its
// status. It returns if the system does not allow that.
func reexec() {
	runtime.LockOSThread() // Pdeathsig is about the thread that starts the child
	cmd := command(os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = sys.PrivateIPC()
	dir, err := os.MkdirTemp("", "ipcmq-mqueue-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "testutil:", err)
		os.Exit(1)
	}
	cmd.Env = append(os.Environ(), envNamespace+"=private", envMount+"="+dir)
	err = cmd.Run()
	os.Remove(dir)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(max(exit.ExitCode(), 1))
	case err != nil:
		fmt.Fprintf(os.Stderr, "testutil: no private IPC namespace (%v): testing among the queues of this system\n", err)
		os.Setenv(envNamespace, "shared")
	default:
		os.Exit(0)
	}
}

// mountQueues makes the POSIX queues of the private namespace visible.
func mountQueues() {
	dir := os.Getenv(envMount)
	if dir == "" {
		return
	}
	if err := sys.MountMqueue(dir); err != nil {
		fmt.Fprintf(os.Stderr, "testutil: POSIX queues cannot be listed: mounting their file system: %v\n", err)
		os.Unsetenv(envMount)
	}
}

// leftQueues returns an error if there are queues in the private namespace.
func leftQueues() error {
	if os.Getenv(envNamespace) != "private" {
		return nil
	}
	err := left(sysv.Queues())
	if b, e := os.ReadFile("/proc/sysvipc/shm"); e == nil && bytes.Count(b, []byte{'\n'}) > 1 { // below the heading
		err = errors.Join(err, fmt.Errorf("segments left behind: %s", b))
	}
	if os.Getenv(envMount) != "" { // otherwise they would be those of another namespace
		err = errors.Join(err, left(posix.Queues()))
	}
	return err
}

func left[Stat any](queues iter.Seq2[Stat, error]) error {
	for s, err := range queues {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("queue left behind: %+v", s)
	}
	return nil
}

// NeedMqueue ends the test unless the POSIX queues of the private namespace are
// listed in a directory, which it returns.
func NeedMqueue(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv(envMount)
	if dir == "" {
		Lacking(tb, "a mounted mqueue file system (run as root, or allow user namespaces)")
	}
	return dir
}

// NeedNamespace ends the test unless it runs in a private IPC namespace whose
// limits it may change.
func NeedNamespace(tb testing.TB) {
	tb.Helper()
	if os.Getenv(envNamespace) != "private" {
		Lacking(tb, "a private IPC namespace (run as root, or allow user namespaces)")
	}
}

// NeedRoot ends the test unless it may act for other users.
func NeedRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 || !otherUsers() {
		Lacking(tb, "root's rights, to act as another user")
	}
}

// Lacking skips a test that needs what this machine lacks. In CI, where
// everything is there, it fails instead, so that no skip goes unnoticed.
func Lacking(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatalf("this test needs %s", what)
	}
	tb.Skipf("this test needs %s", what)
}

// NotEmulated skips a test of what an emulator does wrong or not at all, in CI
// too. It applies to every emulated architecture, or to those listed.
func NotEmulated(tb testing.TB, why string, architectures ...string) {
	tb.Helper()
	if os.Getenv(envExec) != "" && (len(architectures) == 0 || slices.Contains(architectures, runtime.GOARCH)) {
		tb.Skipf("emulated %s: %s", runtime.GOARCH, why)
	}
}

// otherUsers reports whether this user namespace has more than one user.
func otherUsers() bool {
	var first, host, size uint32
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	_, err = fmt.Sscan(string(b), &first, &host, &size)
	return err == nil && size > 1
}
