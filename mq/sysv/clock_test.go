package sysv_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func init() {
	roles["clock"] = func() {
		q, err := sysv.Open(sysv.Private, nil)
		if err == nil {
			var now mq.ClockTime
			now, err = q.Clock(context.Background())
			q.Remove()
			q.Close()
			if err == nil {
				space, _ := os.Readlink("/proc/self/ns/time")
				fmt.Printf("%x %d %s\n", now.ID, now.Time, space)
				return
			}
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// In a time namespace the kernel shifts the clock; users of a queue still see the
// same time.
func TestTheClockIsTheSameInEachTimeNamespace(t *testing.T) {
	testutil.NotEmulated(t, "the emulator does not support namespaces")
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	own, err := os.Readlink("/proc/self/ns/time")
	if err != nil {
		testutil.Lacking(t, "time namespaces")
	}
	for _, offset := range []time.Duration{0, time.Hour} {
		var out []byte
		cmd := testutil.Command(t, "clock")
		started := make(chan error)
		go func() {
			runtime.LockOSThread() // permanently, so the thread ends with its namespace
			err := error(nil)
			if offset != 0 {
				err = sys.UnshareTime(offset)
			}
			if err == nil {
				out, err = cmd.Output()
			}
			started <- err
		}()
		before, err := q.Clock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := <-started; err != nil {
			if _, ran := err.(*exec.ExitError); !ran {
				testutil.Lacking(t, "time namespaces: "+err.Error())
			}
			t.Fatal(err)
		}
		var id, space string
		var ns int64
		if _, err := fmt.Sscan(string(out), &id, &ns, &space); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if moved := space != own; moved != (offset != 0) {
			t.Fatalf("the child is in %s, this process in %s", space, own)
		}
		apart := time.Duration(ns) - before.Time
		if !strings.EqualFold(id, fmt.Sprintf("%x", before.ID)) || apart < -time.Minute || apart > time.Minute {
			t.Errorf("offset %v: id %s, %v apart", offset, id, apart)
		}
	}
}
