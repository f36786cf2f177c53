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
)

const shmHeader = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n"

func readSegments(t *testing.T, proc fs.FS) (all []procfs.Segment, last error) {
	t.Helper()
	for s, err := range procfs.Segments(proc) {
		if last != nil {
			t.Fatal("a pair after the error")
		}
		if last = err; err == nil {
			all = append(all, s)
		}
	}
	return all, last
}

func shmProc(text string) fs.FS {
	return fstest.MapFS{"sysvipc/shm": &fstest.MapFile{Data: []byte(text)}}
}

func TestSegmentsReadsEveryColumn(t *testing.T) {
	line := "-2147483648 2147483647  1640   9223372036854775807 2147483647     0 2147483647 4294967295  1001  1002  1003 1700000001 1700000002 1700000003 18446744073709551615 0\n"
	want := procfs.Segment{ID: 1<<31 - 1, Key: 1 << 31, Removed: true, Shmid: sys.Shmid{Mode: 0o640, Size: 1<<63 - 1, Creator: 1<<31 - 1,
		Attached: 1<<31 - 1, UID: 1<<32 - 1, GID: 1001, CUID: 1002, CGID: 1003}}
	if got, err := readSegments(t, shmProc(shmHeader+line)); err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	good := strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12 13 14")
	for column, bad := range map[int]string{0: "2147483648", 1: "-1", 2: "8", 3: "9223372036854775808", 4: "-1", 6: "x", 7: "4294967296", 8: "-1", 9: "", 10: "1.0"} {
		fields := append([]string(nil), good...)
		fields[column] = bad
		got, err := readSegments(t, shmProc(shmHeader+strings.Join(good, " ")+"\n"+strings.Join(fields, " ")+"\n"+strings.Join(good, " ")))
		if len(got) != 2 || err == nil || !strings.Contains(err.Error(), "column") {
			t.Errorf("%q in column %d: %d segments, %v", bad, column+1, len(got), err)
		}
	}
	if _, err := readSegments(t, fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
	if _, err := readSegments(t, brokenFS{shmProc(shmHeader)}); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("a file that breaks off: %v", err)
	}
}

func FuzzSegments(f *testing.F) {
	f.Add(shmHeader)
	f.Add(shmHeader + "42 3 600 1719 7 8 1 0 0 0 0 1 2 3 4096 0\n-1 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, _ := readSegments(t, shmProc(text))
		var b strings.Builder
		b.WriteString(shmHeader)
		for _, s := range all {
			mode := s.Mode
			if s.Removed {
				mode |= 0o1000
			}
			fmt.Fprintf(&b, "%10d %10d  %4o %21d %5d  %5d  %5d %5d %5d %5d %5d 0 0 0 0 0\n", int32(s.Key), s.ID, mode, s.Size, s.Creator, 0, s.Attached, s.UID, s.GID, s.CUID, s.CGID)
		}
		again, err := readSegments(t, shmProc(b.String()))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(all) {
			t.Errorf("got  %+v, %v\nwant %+v", again, err, all)
		}
	})
}

func TestSegmentsAgreesWithTheKernel(t *testing.T) {
	if _, err := os.Stat("/proc/sysvipc/shm"); err != nil {
		testutil.Lacking(t, "System V shared memory and /proc")
	}
	testutil.NotEmulated(t, "the emulator lays struct shmid64_ds out differently")
	testutil.NeedNamespace(t)
	id, errno := sys.Shmget(0xfffffffe, 1719, sys.IPC_CREAT|0o640)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer sys.ShmRemove(id)
	s, errno := sys.ShmAttach(id, true)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer s.Detach()
	want, errno := sys.ShmStat(id)
	if errno != 0 || want.Attached != 1 {
		t.Fatalf("%+v, %v", want, errno)
	}
	for _, gone := range []bool{false, true} {
		got, err := readSegments(t, procfs.Root)
		if err != nil || len(got) != 1 || got[0].ID != id || got[0].Removed != gone || got[0].Shmid != want || !gone && got[0].Key != 0xfffffffe {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		sys.ShmRemove(id)
	}
}
