//go:build !linux

package sys

import (
	"errors"
	"os"
	"syscall"
)

// OpenTerminal fails: there are no pseudoterminals like those of Linux.
func OpenTerminal(int, int) (keyboard, terminal *os.File, err error) {
	return nil, nil, errors.ErrUnsupported
}

// ResizeTerminal fails.
func ResizeTerminal(*os.File, int, int) error { return errors.ErrUnsupported }

// TerminalSession returns nil.
func TerminalSession() *syscall.SysProcAttr { return nil }
