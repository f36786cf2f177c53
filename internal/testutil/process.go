package testutil

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Command returns a command that runs the function that [Main] has for role, in
// another process, with args as os.Args[1:]. Its standard error goes to the
// test's. It is killed when the test ends.
func Command(tb testing.TB, role string, args ...string) *exec.Cmd {
	tb.Helper()
	cmd := command(args...)
	// The race detector would have each process wait for a second before it ends.
	cmd.Env = append(os.Environ(), envRole+"="+role, "GORACE=atexit_sleep_ms=10 "+os.Getenv("GORACE"))
	cmd.Stderr = os.Stderr
	tb.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

// command runs this binary.
func command(args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	argv := append(strings.Fields(os.Getenv(envExec)), exe)
	argv = append(argv, args...)
	return exec.Command(argv[0], argv[1:]...)
}

// AwaitAsleep returns when at least n threads of the process sleep in one of the
// kernel's functions named, such as do_msgrcv. It fails the test after 10
// seconds.
func AwaitAsleep(tb testing.TB, pid, n int, functions ...string) {
	tb.Helper()
	Await(tb, func() error {
		if asleep := Asleep(pid, functions...); asleep < n {
			return fmt.Errorf("%d threads of process %d sleep in %v, waiting for %d", asleep, pid, functions, n)
		}
		return nil
	})
}

// Asleep returns how many threads of the process sleep in one of the kernel's
// functions named.
func Asleep(pid int, functions ...string) (n int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)                        // the thread may have ended
		function, _, _ := strings.Cut(string(b), ".") // compilers add .isra.0 and the like
		if slices.Contains(functions, function) {
			n++
		}
	}
	return n
}

// Await calls check until it returns nil, and fails the test with its last
// error after 10 seconds.
func Await(tb testing.TB, check func() error) {
	tb.Helper()
	pause := 50 * time.Microsecond
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatal(err)
		}
		time.Sleep(pause)
		pause = min(2*pause, 10*time.Millisecond)
	}
}

// Signal sends a signal by its name, such as STOP, which not all systems that Go
// compiles for have a constant for.
func Signal(tb testing.TB, pid int, name string) {
	tb.Helper()
	if out, err := exec.Command("sh", "-c", fmt.Sprintf("kill -%s %d", name, pid)).CombinedOutput(); err != nil {
		tb.Fatalf("kill -%s: %v: %s", name, err, out)
	}
}

// KillSelf kills this process, as SIGKILL from outside would.
func KillSelf() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		p.Kill()
	}
	select {}
}
