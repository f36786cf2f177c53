package posix_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

const sharedGroup = 2000

// startInbox starts a process that creates an inbox for a queue, and returns its
// name.
func startInbox(t *testing.T, role string, q *posix.Queue) (*exec.Cmd, string) {
	t.Helper()
	cmd := testutil.Command(t, role, q.Name())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimPrefix(strings.TrimSpace(line), "posix:")
}

// A client and a server of different users share the group of the queue, as a
// supplementary one. A client that is not in this group keeps its own.
func TestAnInboxHasTheGroupOfItsQueueIfTheClientIsInIt(t *testing.T) {
	testutil.NotEmulated(t, "the emulator knows other users than the kernel")
	dir := testutil.NeedMqueue(t)
	testutil.NeedRoot(t)
	q := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 1})
	if err := errors.Join(os.Chown(dir+q.Name(), -1, sharedGroup), os.Chmod(dir+q.Name(), 0o666)); err != nil {
		testutil.Lacking(t, "the right to use another group: "+err.Error())
	}
	for _, c := range []struct {
		mode, inside string
		bits         os.FileMode
		want         uint32
	}{
		{"0620", "yes", 0o620, sharedGroup},
		{"0600", "yes", 0o600, 1002},
		{"0620", "no", 0o620, 1002},
	} {
		cmd, name := startInbox(t, "inbox as 1002, in the group: "+c.inside+", mode "+c.mode, q)
		if err := os.Chmod(dir+name, c.bits); err != nil { // since the umask cleared bits
			t.Fatal(err)
		}
		info, err := os.Stat(dir + name)
		if err != nil {
			t.Fatal(err)
		}
		if st := sys.FileStatus(info); st.GID != c.want || st.UID != 1002 {
			t.Errorf("%+v: %+v", c, st)
		}
		out, err := testutil.Command(t, "reply as 1001", q.Name(), "posix:"+name).Output()
		if replied := err == nil; replied != (c.want == sharedGroup) {
			t.Errorf("%+v: a server in the group: %v: %s", c, err, out)
		}
		cmd.Process.Kill()
		cmd.Wait()
		if err := os.Remove(dir + name); err != nil {
			t.Error(err)
		}
	}
}

func init() {
	for mode, bits := range map[string]os.FileMode{"0620": 0o620, "0600": 0o600} {
		for inside, groups := range map[string][]int{"yes": {sharedGroup}, "no": nil} {
			roles["inbox as 1002, in the group: "+inside+", mode "+mode] = func() {
				if err := sys.Become(1002, groups...); err != nil {
					fail("%v", err)
				}
				q, err := posix.Open(os.Args[1], &posix.Config{InboxMode: bits})
				if err != nil {
					fail("%v", err)
				}
				in, err := q.NewInbox()
				if err != nil {
					fail("%v", err)
				}
				fmt.Println(in.Address())
				io.Copy(io.Discard, os.Stdin)
			}
		}
	}
	roles["reply as 1001"] = func() {
		if err := sys.Become(1001, sharedGroup); err != nil {
			fail("%v", err)
		}
		q, err := posix.Open(os.Args[1], nil)
		if err != nil {
			fail("%v", err)
		}
		in, err := q.OpenInbox(os.Args[2])
		if err == nil {
			err = in.TrySend(mq.Message{})
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

// A server that replies gets an error if nobody will receive the reply.
func TestAnInboxWhoseProcessHasEndedCountsAsRemoved(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	testutil.NeedMqueue(t)
	q := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 1})
	cmd, name := startInbox(t, "inbox", q)
	out, err := q.OpenInbox("posix:" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := out.(mq.Checker).Check(); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if err := out.(mq.Checker).Check(); !errors.Is(err, mq.ErrRemoved) || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("after its end: %v", err)
	}
	if removed, err := posix.RemoveDeadInboxes(); err != nil || len(removed) != 1 {
		t.Errorf("removed %q, %v", removed, err)
	}
	if err := out.(mq.Checker).Check(); !errors.Is(err, mq.ErrRemoved) || strings.Contains(err.Error(), "has ended") {
		t.Errorf("after its removal: %v", err)
	}
}
