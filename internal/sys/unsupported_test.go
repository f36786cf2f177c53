//go:build !linux

package sys_test

import (
	"errors"
	"testing"

	"ipcmq/internal/sys"
)

func TestWithoutQueuesErrorsMatchErrUnsupported(t *testing.T) {
	if _, errno := sys.Msgget(1, 0); !errors.Is(errno, errors.ErrUnsupported) {
		t.Errorf("Msgget: %v", errno)
	}
	if _, errno := sys.MsgLimits(); !errors.Is(errno, errors.ErrUnsupported) {
		t.Errorf("MsgLimits: %v", errno)
	}
}
