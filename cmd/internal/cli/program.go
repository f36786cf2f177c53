package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"ipcmq/internal/sys"
)

// A program is run by a command for each message.
type program struct {
	path string
	args []string
}

// findProgram finds the program of a command line.
func findProgram(line []string) (program, error) {
	path, err := exec.LookPath(line[0])
	if err != nil {
		return program{}, usageError{err}
	}
	return program{path, line[1:]}, nil
}

// run runs the program once, in a process group of its own. It kills the group when
// ctx ends, and children that keep the program's output open after its end. It reports
// whether the status was 0, which may be so even if err is not nil. An error contains
// the last line that the program wrote to standard error.
func (p program) run(ctx context.Context, in []byte, env []string, out io.Writer) (done bool, err error) {
	// If this process is killed, a pipe would look like complete input.
	stdin, err := sys.MemoryFile(in)
	if err != nil {
		return false, err
	}
	defer stdin.Close()
	runtime.LockOSThread() // the program is killed when the thread that started it ends
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = sys.OwnGroup()
	cmd.Cancel = func() error { return sys.KillGroup(cmd.Process.Pid) }
	stderr := &relay{to: os.Stderr}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out, stderr
	err = cmd.Run()
	stderr.end()
	if ctx.Err() != nil || errors.Is(err, exec.ErrWaitDelay) {
		_ = sys.KillGroup(cmd.Process.Pid) // its children, if any are left
	}
	var exit *exec.ExitError
	switch done = cmd.ProcessState != nil && cmd.ProcessState.Success(); {
	case err == nil:
		return done, nil
	case errors.As(err, &exit) && len(stderr.last) > 0:
		return done, fmt.Errorf("%s: %w: %s", p.path, exit, stderr.last)
	}
	return done, fmt.Errorf("%s: %w", p.path, err)
}

// longestRelayed limits how much of an incomplete line is buffered.
const longestRelayed = 64 << 10

// A relay passes on the output of a program by whole lines, so that the output of
// several programs does not mix.
type relay struct {
	to   *os.File
	line []byte // incomplete
	last []byte // the last line that is not blank, or its beginning
}

func (r *relay) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		r.line = append(r.line, rest[:end]...)
		if rest[end-1] == '\n' || len(r.line) >= longestRelayed {
			r.end()
		}
		rest = rest[end:]
	}
	return len(b), nil
}

// end passes on an incomplete last line.
func (r *relay) end() {
	if len(r.line) == 0 {
		return
	}
	if text := bytes.TrimSpace(r.line); len(text) > 0 {
		r.last = append(r.last[:0], text[:min(len(text), 500)]...)
	}
	_ = writeData(r.to, r.line) // a failure could not be reported anywhere
	r.line = r.line[:0]
}
