package cli_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
)

// A zombie has ended, and uses nothing any more; its parent has not waited for it yet.
func TestZombiesAreGone(t *testing.T) {
	testutil.NeedNamespace(t)
	q := openQueue(t)
	sender := command(t, "send", address(q), "hello")
	if err := sender.Start(); err != nil {
		t.Fatal(err)
	}
	pid := sender.Process.Pid
	testutil.Await(t, func() error {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && !strings.Contains(string(b), ") Z ") {
			err = errors.New("the sender is no zombie yet")
		}
		return err
	})
	gone := fmt.Sprintf("%d (gone)", pid)
	for _, args := range [][]string{{"ls"}, {"stat", address(q)}} {
		if shown := shownBy(t, args...); !strings.Contains(shown, gone) {
			t.Errorf("%v lacks %q: %s", args, gone, shown)
		}
	}
	if shown := shownBy(t, "doctor"); !strings.Contains(shown, address(q)+" is private and its last users are gone: sender "+gone) {
		t.Error(shown)
	}
	if err := sender.Wait(); err != nil {
		t.Error(err)
	}
}
