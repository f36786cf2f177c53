package procfs_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"ipcmq/internal/procfs"
)

func TestReadMqueue(t *testing.T) {
	for text, want := range map[string]procfs.Mqueue{
		"QSIZE:129        NOTIFY:2     SIGNO:0     NOTIFY_PID:8260  \n": {Size: 129, NotifyPID: 8260},
		"QSIZE:0          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n": {},
		"QSIZE:9999999999 NOTIFY:0     SIGNO:0     NOTIFY_PID:0":        {Size: 9999999999},
		"QSIZE:1 FUTURE:x OTHER": {Size: 1},
	} {
		got, err := procfs.ReadMqueue(fstest.MapFS{"q": {Data: []byte(text)}}, "q")
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "\n", "QSIZE", "QSIZE:", "QSIZE:x", "QSIZE:1 NOTIFY_PID:x", "NOTIFY_PID:1", "QSIZE:99999999999999999999"} {
		if got, err := procfs.ReadMqueue(fstest.MapFS{"q": {Data: []byte(text)}}, "q"); err == nil || got != (procfs.Mqueue{}) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	if _, err := procfs.ReadMqueue(fstest.MapFS{}, "q"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func FuzzReadMqueue(f *testing.F) {
	f.Add([]byte("QSIZE:129        NOTIFY:2     SIGNO:0     NOTIFY_PID:8260  \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := procfs.ReadMqueue(fstest.MapFS{"q": {Data: data}}, "q")
		if err != nil && q != (procfs.Mqueue{}) {
			t.Errorf("got %+v together with %v", q, err)
		}
	})
}

func TestMqueueMount(t *testing.T) {
	for mounts, want := range map[string]string{
		"":                         "",
		"proc /proc proc rw 0 0\n": "",
		"mqueue /dev/mqueue mqueue rw,nosuid 0 0":                                                            "/dev/mqueue",
		"none /dev/mqueue mqueue rw 0 0\nproc /proc proc rw 0 0\nx /tmp/with\\040blank\\134 mqueue rw 0 0\n": "/tmp/with blank\\",
		"mqueue /mqueue tmpfs rw 0 0\nshort\n\n":                                                             "",
	} {
		got, err := procfs.MqueueMount(fstest.MapFS{"self/mounts": {Data: []byte(mounts)}})
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", mounts, got, err, want)
		}
	}
	if _, err := procfs.MqueueMount(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Other users choose the directories of mounts.
func FuzzMqueueMount(f *testing.F) {
	f.Add("mqueue /dev/mqueue mqueue rw 0 0\nx /a\\040b\\134\\012 mqueue rw 0 0\n")
	f.Add("x / mqueue")
	f.Fuzz(func(t *testing.T, mounts string) {
		dir, err := procfs.MqueueMount(fstest.MapFS{"self/mounts": {Data: []byte(mounts)}})
		if err != nil || dir != "" && !strings.Contains(mounts, "mqueue") {
			t.Errorf("%q: %q, %v", mounts, dir, err)
		}
	})
}

func TestMqueueLimits(t *testing.T) {
	proc := func() fstest.MapFS {
		return fstest.MapFS{
			"sys/fs/mqueue/msg_default": {Data: []byte("1\n")}, "sys/fs/mqueue/msg_max": {Data: []byte("2\n")},
			"sys/fs/mqueue/msgsize_default": {Data: []byte("3\n")}, "sys/fs/mqueue/msgsize_max": {Data: []byte("4\n")},
			"sys/fs/mqueue/queues_max": {Data: []byte("5\n")},
		}
	}
	if got, err := procfs.MqueueLimits(proc()); err != nil || got != (procfs.MqueueLimit{MsgDefault: 1, MsgMax: 2, MsgsizeDefault: 3, MsgsizeMax: 4, QueuesMax: 5}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name := range proc() {
		broken, missing := proc(), proc()
		broken[name].Data = []byte("many")
		delete(missing, name)
		if got, err := procfs.MqueueLimits(broken); err == nil || got != (procfs.MqueueLimit{}) {
			t.Errorf("%s broken: got %+v, %v", name, got, err)
		}
		if got, err := procfs.MqueueLimits(missing); !errors.Is(err, fs.ErrNotExist) || got != (procfs.MqueueLimit{}) {
			t.Errorf("%s missing: got %+v, %v", name, got, err)
		}
	}
}
