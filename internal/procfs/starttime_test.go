package procfs_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"ipcmq/internal/procfs"
)

func TestStartTimeIsThatOfAProcessThatRuns(t *testing.T) {
	proc := func(state, start, stat string) fs.FS {
		return fstest.MapFS{
			"7/stat": {Data: []byte("7 (a) (b\n) " + state + " " + strings.Repeat("1 ", 18) + start + " 1 1\n")},
			"stat":   {Data: []byte(stat)},
		}
	}
	const stat = "cpu 1 2\nbtime 1000\nprocesses 3\n"
	for _, test := range []struct {
		name   string
		proc   fs.FS
		exists bool
		want   time.Time
		gone   bool
		other  bool // another error
	}{
		{name: "asleep", proc: proc("S", "250", stat), want: time.Unix(1002, 5e8)},
		{name: "a zombie", proc: proc("Z", "250", stat), gone: true},
		{name: "dead", proc: proc("X", "250", stat), gone: true},
		{name: "nobody", proc: fstest.MapFS{}, gone: true},
		{name: "hidden", proc: fstest.MapFS{}, exists: true, other: true},
		{name: "no number", proc: proc("S", "x", stat), other: true},
		{name: "no time", proc: proc("S", "18446744073709551615", stat), other: true},
		{name: "no boot time", proc: proc("S", "250", "cpu 1 2\n"), other: true},
		{name: "a bad boot time", proc: proc("S", "250", "btime x\n"), other: true},
	} {
		got, err := procfs.StartTimeIf(test.proc, 7, func(int) bool { return test.exists })
		if errors.Is(err, fs.ErrNotExist) != test.gone || (err != nil) != (test.gone || test.other) || !got.Equal(test.want) {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
		if errors.Is(err, fs.ErrPermission) != test.exists {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	got, err := procfs.StartTime(os.DirFS("/proc"), os.Getpid())
	if errors.Is(err, fs.ErrNotExist) {
		t.Log("this system has no /proc")
	} else if age := time.Since(got); err != nil || age < -2*time.Second || age > time.Hour {
		t.Errorf("this process: %v, %v", got, err)
	}
}
