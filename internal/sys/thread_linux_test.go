package sys_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
)

// receiver blocks in msgrcv until it is interrupted, and first sends its thread
// id.
func receiver(id int) (tid chan int, answer chan sys.Errno) {
	tid, answer = make(chan int), make(chan sys.Errno)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tid <- sys.Gettid()
		buf := make([]byte, sys.TypeSize)
		_, errno := sys.Msgrcv(id, buf, 0, 0, 0)
		answer <- errno
	}()
	return tid, answer
}

func TestKickInterruptsABlockedCall(t *testing.T) {
	tid, answer := receiver(newQueue(t))
	thread := <-tid
	testutil.AwaitAsleep(t, os.Getpid(), 1, "do_msgrcv", "ksys_msgrcv")
	sys.Kick(thread)
	if errno := <-answer; errno != sys.EINTR {
		t.Errorf("got %v", errno)
	}
}

func init() { roles["ignoring"] = ignoring }

// ignoring goes through the states of SIGURG, which belong to the process.
func ignoring() {
	check := func(ok bool, what string) {
		if !ok {
			fmt.Println(what)
			os.Exit(1)
		}
	}
	id, errno := sys.Msgget(0, sys.IPC_CREAT|0o600)
	check(errno == 0, "no queue")
	defer sys.MsgRemove(id)
	check(!sys.KicksIgnored(), "ignored from the start")
	sys.IgnoreKicks()
	check(sys.KicksIgnored(), "not seen to be ignored")
	sys.StopIgnoringKicks()
	check(!sys.KicksIgnored(), "still ignored")
	tid, answer := receiver(id)
	thread := <-tid
	for {
		select {
		case errno := <-answer:
			check(errno == sys.EINTR, "the call answered something else")
			return
		default:
			sys.Kick(thread) // may be early, so again and again
		}
	}
}

func TestIgnoringKicksIsSeenAndUndone(t *testing.T) {
	if out, err := testutil.Command(t, "ignoring").Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
