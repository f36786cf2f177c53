package testutil

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"testing"

	"ipcmq/internal/sys"
)

// A Terminal is a terminal that shows nothing and answers nothing, like an
// unattended serial console, or a program such as expect.
type Terminal struct {
	keyboard *os.File
	file     *os.File
	done     chan struct{}

	mu    sync.Mutex
	shown bytes.Buffer
}

// NewTerminal returns a terminal with the given number of rows and columns,
// which may be 0 as on a serial console.
func NewTerminal(tb testing.TB, rows, columns int) *Terminal {
	tb.Helper()
	keyboard, file, err := sys.OpenTerminal(rows, columns)
	if err != nil {
		Lacking(tb, "a pseudoterminal: "+err.Error())
	}
	t := &Terminal{keyboard: keyboard, file: file, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		b := make([]byte, 4096)
		for {
			n, err := keyboard.Read(b)
			t.mu.Lock()
			t.shown.Write(b[:n])
			t.mu.Unlock()
			if err != nil {
				return // no process has the terminal open any more
			}
		}
	}()
	tb.Cleanup(func() {
		file.Close()
		keyboard.Close()
		<-t.done
	})
	return t
}

// File is what a process has as its standard input, output and error.
func (t *Terminal) File() *os.File { return t.file }

// Attach makes the terminal that of cmd, which has not been started.
func (t *Terminal) Attach(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.file, t.file, t.file
	cmd.SysProcAttr = sys.TerminalSession()
}

// Type types text.
func (t *Terminal) Type(tb testing.TB, text string) {
	tb.Helper()
	if _, err := t.keyboard.WriteString(text); err != nil {
		tb.Fatal(err)
	}
}

// Resize gives the terminal another size.
func (t *Terminal) Resize(tb testing.TB, rows, columns int) {
	tb.Helper()
	if err := sys.ResizeTerminal(t.keyboard, rows, columns); err != nil {
		tb.Fatal(err)
	}
}

// Shown returns all that was written to the terminal, which shows a newline as
// a carriage return and a line feed.
func (t *Terminal) Shown() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shown.String()
}
