package procfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestMain(m *testing.M) { testutil.Main(m, nil) }

const header = "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n"

func proc(text string) fs.FS {
	return fstest.MapFS{"sysvipc/msg": &fstest.MapFile{Data: []byte(text)}}
}

// read returns the queues before the error, and the error.
func read(t *testing.T, proc fs.FS) (queues []procfs.MessageQueue, last error) {
	t.Helper()
	for q, err := range procfs.MessageQueues(proc) {
		if last != nil {
			t.Fatal("a pair after the error")
		}
		if last = err; err == nil {
			queues = append(queues, q)
		}
	}
	return queues, last
}

func TestMessageQueuesReadsEveryColumn(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []procfs.MessageQueue
	}{
		{"nothing", "", nil},
		{"no queue", header, nil},
		{"one queue", header +
			"        42          3   640          11          2  101  102  1000  1001  1002  1003 1700000001 1700000002 1700000003\n",
			[]procfs.MessageQueue{{ID: 3, Msqid: sys.Msqid{Key: 42, Mode: 0o640, Cbytes: 11, Qnum: 2, Lspid: 101, Lrpid: 102,
				UID: 1000, GID: 1001, CUID: 1002, CGID: 1003, Stime: 1700000001, Rtime: 1700000002, Ctime: 1700000003}}}},
		{"a negative key, the largest user, times before 1970, no newline", header +
			"-2147483648 2147483647 666 18446744073709551615 0 0 0 4294967295 0 0 0 -1 0 9223372036854775807",
			[]procfs.MessageQueue{{ID: 1<<31 - 1, Msqid: sys.Msqid{Key: 1 << 31, Mode: 0o666, Cbytes: 1<<64 - 1,
				UID: 1<<32 - 1, Stime: -1, Ctime: 1<<63 - 1}}}},
		{"columns of the future", header + "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 sixteen\n",
			[]procfs.MessageQueue{{ID: 2, Msqid: sys.Msqid{Key: 1, Mode: 3, Cbytes: 4, Qnum: 5, Lspid: 6, Lrpid: 7,
				UID: 8, GID: 9, CUID: 10, CGID: 11, Stime: 12, Rtime: 13, Ctime: 14}}}},
		{"two queues", header + "0 0 0 0 0 0 0 0 0 0 0 0 0 0\n0 1 0 0 0 0 0 0 0 0 0 0 0 0\n",
			[]procfs.MessageQueue{{ID: 0}, {ID: 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := read(t, proc(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestMessageQueuesRefusesWhatIsNoQueue(t *testing.T) {
	good := strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12 13 14")
	if _, err := read(t, proc(header+strings.Join(good, " "))); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		column int
		values []string
	}{
		{1, []string{"x", "0x1", "4294967296", "2147483648", "-2147483649", "1.0"}},
		{2, []string{"-1", "2147483648", "+1", "1_0"}},
		{3, []string{"8", "0o7", "-1", "777777777777"}},
		{4, []string{"-1", "18446744073709551616"}},
		{5, []string{"-1", "18446744073709551616"}},
		{6, []string{"-1", "2147483648"}},
		{7, []string{"-1", "2147483648"}},
		{8, []string{"-1", "4294967296"}},
		{9, []string{"-1", "4294967296"}},
		{10, []string{"-1", "4294967296"}},
		{11, []string{"-1", "4294967296"}},
		{12, []string{"9223372036854775808", "never"}},
		{13, []string{"9223372036854775808", "never"}},
		{14, []string{"9223372036854775808", "never"}},
	} {
		for _, value := range test.values {
			bad := append([]string(nil), good...)
			bad[test.column-1] = value
			got, err := read(t, proc(header+strings.Join(good, " ")+"\n"+strings.Join(bad, " ")+"\n"+strings.Join(good, " ")))
			if len(got) != 2 { // those before and behind it
				t.Errorf("%q in column %d: %d queues", value, test.column, len(got))
			}
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("column %d of ", test.column)) {
				t.Errorf("%q in column %d: %v", value, test.column, err)
			}
		}
	}
	for _, line := range []string{"", " ", strings.Join(good[1:], " ")} {
		if got, err := read(t, proc(header+line+"\n")); err == nil || !strings.Contains(err.Error(), "columns instead of 14") {
			t.Errorf("%q: %v, %v", line, got, err)
		}
	}
	if _, err := read(t, proc(header+strings.Repeat("1", 1<<17))); err == nil {
		t.Error("an endless line was read")
	}
}

func TestMessageQueuesPassesErrorsOfTheFileOn(t *testing.T) {
	if _, err := read(t, fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
	if _, err := read(t, brokenFS{proc(header)}); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("a file that breaks off: %v", err)
	}
}

// brokenFS has files whose second read fails.
type brokenFS struct{ fs.FS }

type brokenFile struct {
	fs.File
	reads int
}

func (b brokenFS) Open(name string) (fs.File, error) {
	f, err := b.FS.Open(name)
	return &brokenFile{File: f}, err
}

func (b *brokenFile) Read(p []byte) (int, error) {
	if b.reads++; b.reads > 1 {
		return 0, iotest.ErrTimeout
	}
	return b.File.Read(p)
}

func TestLeavingMessageQueuesReadsNothingMore(t *testing.T) {
	n := 0
	for range procfs.MessageQueues(proc(header + "0 0 0 0 0 0 0 0 0 0 0 0 0 0\nbad\n")) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d queues", n)
	}
}

func FuzzMessageQueues(f *testing.F) {
	f.Add(header)
	f.Add(header + "        42          3   640          11          2  101  102  1000  1001  1002  1003 1700000001 1700000002 1700000003\n")
	f.Add(header + "-1 2 3 4 5 6 7 4294967295 9 10 11 12 13 14\n1 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		queues, _ := read(t, proc(text))
		// What was read is written again as the kernel does it, and read again.
		var b strings.Builder
		b.WriteString(header)
		for _, q := range queues {
			fmt.Fprintf(&b, "%10d %10d  %4o  %10d %10d %5d %5d %5d %5d %5d %5d %10d %10d %10d\n", int32(q.Key), q.ID, q.Mode,
				q.Cbytes, q.Qnum, q.Lspid, q.Lrpid, q.UID, q.GID, q.CUID, q.CGID, q.Stime, q.Rtime, q.Ctime)
		}
		again, err := read(t, proc(b.String()))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(queues) {
			t.Errorf("got  %+v, %v\nwant %+v", again, err, queues)
		}
	})
}

func TestMessageQueuesAgreesWithTheKernel(t *testing.T) {
	if _, err := os.Stat("/proc/sysvipc/msg"); err != nil {
		testutil.Lacking(t, "System V message queues and /proc")
	}
	testutil.NotEmulated(t, "the emulator lays struct msqid64_ds out differently")
	testutil.NeedNamespace(t) // nobody else changes the queues there
	want := map[int]sys.Msqid{}
	for _, key := range []sysv.Key{sysv.Private, 42, 0xfffffffe} {
		q, err := sysv.Open(key, &sysv.Config{Mode: 0o640})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Remove(); q.Close() })
		for _, m := range []string{"one", "two", "three"} {
			if err := q.TrySend(mq.Message{Type: 1, Data: []byte(m)}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := q.TryReceive(); err != nil {
			t.Fatal(err)
		}
		ds, errno := sys.MsgStat(q.ID())
		if errno != 0 {
			t.Fatal(errno)
		}
		ds.Seq, ds.Qbytes = 0, 0 // these are not in the file
		want[q.ID()] = ds
	}
	got, err := read(t, os.DirFS("/proc"))
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d queues instead of %d, %v", len(got), len(want), err)
	}
	for _, q := range got {
		if q.Msqid != want[q.ID] {
			t.Errorf("id %d: got  %+v\nwant %+v", q.ID, q.Msqid, want[q.ID])
		}
	}
}
