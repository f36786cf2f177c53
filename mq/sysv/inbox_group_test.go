package sysv_test

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

const sharedGroup = 2000

// A client and a server of different users share the group of the queue, as a
// supplementary one. A client that is not in this group keeps its own.
func TestAnInboxHasTheGroupOfItsQueueIfTheClientIsInIt(t *testing.T) {
	testutil.NotEmulated(t, "the emulator does not know MSG_STAT_ANY, which opens queues that cannot be read")
	testutil.NeedNamespace(t)
	q := newQueue(t, &sysv.Config{Mode: 0o666})
	if err := q.Set(func(s *sysv.Settings) { s.GID = sharedGroup }); err != nil {
		testutil.Lacking(t, "the right to use another group: "+err.Error())
	}
	for _, c := range []struct {
		mode, inside string
		want         uint32
	}{
		{"0620", "yes", sharedGroup},
		{"0600", "yes", 1002},
		{"0620", "no", 1002},
	} {
		cmd, id := startWith(t, "inbox as 1002, in the group: "+c.inside+", mode "+c.mode, q)
		in, err := sysv.OpenID(id, nil)
		if err != nil {
			t.Fatal(err)
		}
		st, err := in.Stat()
		if err != nil || st.GID != c.want || st.UID != 1002 {
			t.Errorf("%+v: %+v, %v", c, st, err)
		}
		out, err := testutil.Command(t, "reply as 1001", fmt.Sprintf("sysv:%d", id)).Output()
		if replied := err == nil; replied != (c.want == sharedGroup) {
			t.Errorf("%+v: a server in the group: %v: %s", c, err, out)
		}
		cmd.Process.Kill()
		cmd.Wait()
		if err := in.Remove(); err != nil {
			t.Error(err)
		}
		in.Close()
	}
}

func init() {
	for mode, bits := range map[string]os.FileMode{"0620": 0o620, "0600": 0o600} {
		for inside, groups := range map[string][]int{"yes": {sharedGroup}, "no": nil} {
			roles["inbox as 1002, in the group: "+inside+", mode "+mode] = func() {
				err := sys.Become(1002, groups...)
				id, _ := strconv.Atoi(os.Args[1])
				if err == nil {
					err = printInbox(id, bits)
				}
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}
	roles["reply as 1001"] = func() {
		err := sys.Become(1001, sharedGroup)
		var q *sysv.Queue
		if err == nil {
			q, err = sysv.Open(sysv.Private, nil)
		}
		if err == nil {
			var in mq.SendCloser
			if in, err = q.OpenInbox(os.Args[1]); err == nil {
				err = in.TrySend(mq.Message{Type: 1})
			}
			q.Remove()
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

// printInbox prints the id of an inbox, and waits to be killed.
func printInbox(id int, mode os.FileMode) error {
	q, err := sysv.OpenID(id, &sysv.Config{InboxMode: mode})
	if err != nil {
		return err
	}
	in, err := q.NewInbox()
	if err != nil {
		return err
	}
	fmt.Println(in.(inbox).ID())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
