package cli_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"ipcmq/cmd/internal/cli"
)

func TestRemoveIPCIsReadAsSystemdDoes(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		on    bool
		where string
	}{
		{"no file", nil, true, "by default"},
		{"a comment documents the default", map[string]string{"etc/systemd/logind.conf": "[Login]\n#RemoveIPC=no\n"}, false, "by default, /etc/systemd/logind.conf"},
		{"set in the file", map[string]string{"etc/systemd/logind.conf": "[Login]\n RemoveIPC = no \n"}, false, "/etc/systemd/logind.conf"},
		{"the main file of /etc hides that of /usr", map[string]string{"etc/systemd/logind.conf": "", "usr/lib/systemd/logind.conf": "RemoveIPC=no"}, true, "by default"},
		{"a file of the directory wins", map[string]string{"etc/systemd/logind.conf": "RemoveIPC=no", "etc/systemd/logind.conf.d/a.conf": "RemoveIPC=yes"}, true, "/etc/systemd/logind.conf.d/a.conf"},
		{"the last by name wins", map[string]string{"usr/lib/systemd/logind.conf.d/b.conf": "RemoveIPC=no", "etc/systemd/logind.conf.d/a.conf": "RemoveIPC=yes"}, false, "/usr/lib/systemd/logind.conf.d/b.conf"},
		{"/etc replaces a file of its name", map[string]string{"usr/lib/systemd/logind.conf.d/b.conf": "RemoveIPC=no", "etc/systemd/logind.conf.d/b.conf": "RemoveIPC=yes"}, true, "/etc/systemd/logind.conf.d/b.conf"},
		{"a comment counts for nothing after a setting", map[string]string{"etc/systemd/logind.conf": "RemoveIPC=no\n#RemoveIPC=yes\n"}, false, "/etc/systemd/logind.conf"},
	} {
		root := fstest.MapFS{}
		for name, text := range test.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if on, where := cli.RemoveIPC(root); on != test.on || where != test.where {
			t.Errorf("%s: %v, %q", test.name, on, where)
		}
	}
}

func TestRemoveIPCMattersWithSystemdAndToOrdinaryUsers(t *testing.T) {
	systemd := func(text string) fstest.MapFS {
		return fstest.MapFS{"run/systemd/system": {Mode: fs.ModeDir}, "etc/systemd/logind.conf": {Data: []byte(text)}}
	}
	for _, test := range []struct {
		root fs.FS
		uid  int
		want string
	}{
		{fstest.MapFS{}, 1000, "ok "},
		{systemd("RemoveIPC=no"), 1000, "ok "},
		{systemd("RemoveIPC=yes"), 999, "note "},
		{systemd("RemoveIPC=yes"), 1000, "WRONG "},
		{systemd(""), 1000, "WRONG "},
	} {
		if got := cli.CheckRemoveIPC(test.root, test.uid); !strings.HasPrefix(got, test.want) {
			t.Errorf("%v for %d: %q", test.root, test.uid, got)
		}
	}
}

func TestNamespacesOfOtherProcessesAreReported(t *testing.T) {
	proc := fstest.MapFS{}
	add := func(pid, namespace, comm string) {
		proc[pid+"/ns/ipc"] = &fstest.MapFile{Data: []byte(namespace), Mode: fs.ModeSymlink | 0o777}
		proc[pid+"/comm"] = &fstest.MapFile{Data: []byte(comm + "\n")}
		proc[pid+"/cmdline"] = &fstest.MapFile{Data: []byte(comm)}
	}
	add("self", "ipc:[4026531839]", "ipcmq")
	add("1", "ipc:[4026531839]", "init")
	if got := cli.Namespaces(proc); len(got) != 1 || !strings.HasPrefix(got[0], "ok ") {
		t.Errorf("one namespace: %q", got)
	}
	add("7", "ipc:[99]", "postgres")
	add("8", "ipc:[99]", "postgres")
	add("9", "ipc:[98]", "php")
	proc["5/ns/ipc"] = &fstest.MapFile{Data: []byte("ipc:[97]"), Mode: fs.ModeSymlink | 0o777} // a kernel thread
	got := cli.Namespaces(proc)
	if len(got) != 1 || got[0] != "note processes run in 2 other IPC namespaces, whose queues cannot be seen from here: 7 postgres, 9 php" {
		t.Errorf("others: %q", got)
	}
	add("self", "ipc:[98]", "ipcmq")
	if got := cli.Namespaces(proc); len(got) != 2 || !strings.HasPrefix(got[0], "note this is a separate IPC namespace, ipc:[98]") {
		t.Errorf("in a container: %q", got)
	}
}
