package procfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"ipcmq/internal/procfs"
	"ipcmq/internal/testutil"
)

// procOf is what process 7 sees while 8 runs.
func procOf(change func(fstest.MapFS)) fstest.MapFS {
	link := func(to string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
	}
	m := fstest.MapFS{
		"self/status":  {Data: []byte("Name:\tx\nNSpid:\t7\nNSsid:\t1\n")},
		"self/ns/pid":  link("pid:[4026531836]"),
		"self/ns/time": link("time:[4026531834]"),
		"7/stat":       stat(7, 'S', 70),
		"8/stat":       stat(8, 'S', 80),
	}
	change(m)
	return m
}

func stat(pid int, state rune, start int) *fstest.MapFile {
	return &fstest.MapFile{Data: fmt.Appendf(nil, "%d (a b) c) %c 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %d 1 1", pid, state, start)}
}

func asItIs(fstest.MapFS) {}

var eight = procfs.Process{PID: 8, Start: 80, PIDSpace: 4026531836, TimeSpace: 4026531834}

func TestSelfIsWhatProcSays(t *testing.T) {
	want := procfs.Process{PID: 7, Start: 70, PIDSpace: 4026531836, TimeSpace: 4026531834}
	if got, err := procfs.SelfAs(procOf(asItIs), 7); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	want.TimeSpace = 0
	if got, err := procfs.SelfAs(procOf(func(m fstest.MapFS) { delete(m, "self/ns/time") }), 7); err != nil || got != want {
		t.Errorf("without time namespaces: got %+v, %v", got, err)
	}
	for name, change := range map[string]func(fstest.MapFS){
		"no proc":                  func(m fstest.MapFS) { clear(m) },
		"proc of an outer space":   func(m fstest.MapFS) { m["self/status"].Data = []byte("NSpid:\t7\t7\n") },
		"another process":          func(m fstest.MapFS) { m["self/status"].Data = []byte("Name:\tx\nNSpid:\t9\n") },
		"no NSpid":                 func(m fstest.MapFS) { m["self/status"].Data = []byte("Name:\tx\n") },
		"no pid namespace":         func(m fstest.MapFS) { delete(m, "self/ns/pid") },
		"a namespace of no number": func(m fstest.MapFS) { m["self/ns/pid"].Data = []byte("pid:[x]") },
		"no stat":                  func(m fstest.MapFS) { delete(m, "7/stat") },
		"a cut stat":               func(m fstest.MapFS) { m["7/stat"].Data = []byte("7 (x) S 1 1") },
	} {
		if got, err := procfs.SelfAs(procOf(change), 7); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestOnlyWhatHasCertainlyEndedHasEnded(t *testing.T) {
	with := func(change func(*procfs.Process)) procfs.Process {
		p := eight
		change(&p)
		return p
	}
	same := func(*procfs.Process) {}
	for name, c := range map[string]struct {
		who    func(*procfs.Process)
		proc   func(fstest.MapFS)
		exists bool
		want   bool
	}{
		"it runs":                  {who: same, proc: asItIs, exists: true},
		"a later one has its pid":  {who: func(p *procfs.Process) { p.Start = 79 }, proc: asItIs, exists: true, want: true},
		"zombie":                   {who: same, proc: func(m fstest.MapFS) { m["8/stat"] = stat(8, 'Z', 80) }, exists: true, want: true},
		"gone":                     {who: same, proc: func(m fstest.MapFS) { delete(m, "8/stat") }, want: true},
		"hidden":                   {who: same, proc: func(m fstest.MapFS) { delete(m, "8/stat") }, exists: true},
		"cut":                      {who: same, proc: func(m fstest.MapFS) { m["8/stat"].Data = nil }, exists: true},
		"of another pid namespace": {who: func(p *procfs.Process) { p.PIDSpace++; p.Start++ }, proc: asItIs},
		"of another time":          {who: func(p *procfs.Process) { p.TimeSpace++; p.Start++ }, proc: asItIs},
		"pid 0":                    {who: func(p *procfs.Process) { p.PID = 0 }, proc: asItIs},
		"proc of an outer space":   {who: func(p *procfs.Process) { p.Start++ }, proc: func(m fstest.MapFS) { m["self/status"].Data = []byte("NSpid:\t7\t1\n") }},
		"no proc":                  {who: same, proc: func(m fstest.MapFS) { clear(m) }},
	} {
		p := with(c.who)
		exists := func(int) bool { return c.exists }
		if got := p.EndedAs(procOf(c.proc), 7, exists); got != c.want {
			t.Errorf("%s: ended: %t", name, got)
		}
		if got, want := p.KnownAs(procOf(c.proc), 7, exists), c.want || name == "it runs"; got != want {
			t.Errorf("%s: known: %t", name, got)
		}
	}
}

func TestProcessesOfThisSystem(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	p, err := procfs.Self(os.DirFS("/proc"))
	if err != nil {
		testutil.Lacking(t, "a /proc of this pid namespace: "+err.Error())
	}
	if p.PID != os.Getpid() || p.Start == 0 || p.Ended(os.DirFS("/proc")) {
		t.Errorf("%+v, ended: %t", p, p.Ended(os.DirFS("/proc")))
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	p.PID = child.Process.Pid
	if p.Start, err = procfs.StartTicks(os.DirFS("/proc"), p.PID); err != nil || p.Ended(os.DirFS("/proc")) {
		t.Errorf("a child that runs: %v, or ended", err)
	}
	child.Process.Kill()
	testutil.Await(t, func() error { // a zombie now
		if !p.Ended(os.DirFS("/proc")) {
			return fmt.Errorf("%+v has not ended", p)
		}
		return nil
	})
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
	if !p.Ended(os.DirFS("/proc")) {
		t.Error("it runs after it was waited for")
	}
}
