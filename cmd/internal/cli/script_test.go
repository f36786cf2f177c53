package cli_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ipcmq/internal/testutil"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// Scripts that share the namespace with other scripts. Each has its own keys and names.
func TestScripts(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	testutil.NeedRoot(t)
	runScripts(t, "script")
}

// Scripts that look at all queues, run one after the other.
func TestScriptsOfAllQueues(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	testutil.NeedRoot(t)
	files, err := filepath.Glob("testdata/alone/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) { runScripts(t, f) })
	}
}

// Scripts that exchange messages with programs in other languages.
func TestExchange(t *testing.T) {
	testutil.NeedNamespace(t)
	for language, program := range map[string]string{"perl": "perl", "php": "php", "python": "python3", "c": "gcc"} {
		t.Run(language, func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil {
				testutil.Lacking(t, program)
			}
			runScripts(t, "testdata/exchange/"+language+".txtar")
		})
	}
}

var scripts atomic.Int64

// By default the race detector makes each process wait a second before it ends.
const quickExit = "atexit_sleep_ms=10"

// runScripts runs a file, or the files of a directory in testdata.
func runScripts(t *testing.T, what string) {
	path := bin(t) + string(os.PathListSeparator) + os.Getenv("PATH")
	p := testscript.Params{
		Setup: func(e *testscript.Env) error {
			n := int(scripts.Add(1)) * 100
			e.Setenv("PATH", path)
			keys := []sysv.Key{sysv.Key(n), sysv.Key(n + 1), 42, 43}
			names := []string{fmt.Sprintf("/script-%d", n), fmt.Sprintf("/script-%d", n+1), "/jobs"}
			e.Setenv("KEY", keys[0].String())
			e.Setenv("KEY2", keys[1].String())
			e.Setenv("NAME", names[0])
			e.Setenv("NAME2", names[1])
			e.Setenv("TZ", "UTC")
			e.Setenv("GORACE", quickExit)
			// Queues left behind when a script fails.
			e.Defer(func() { removeQueues(keys, names) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"asleep":  asleep,
			"empty":   empty,
			"moves":   moves,
			"settled": settled,
			"begun":   begun,
			"ended":   ended,
			"holds":   holds,
			"lent":    lent,
			"limit":   limit,
			"opens":   opens,
			"holding": holding,
			"signal":  sendSignal,
			"unread":  unread,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	}
	if strings.HasSuffix(what, ".txtar") {
		p.Files = []string{what}
	} else {
		p.Dir = filepath.Join("testdata", what)
	}
	testscript.Run(t, p)
}

func removeQueues(keys []sysv.Key, names []string) {
	for _, k := range keys {
		if q, err := sysv.Open(k, &sysv.Config{OpenOnly: true}); err == nil {
			q.Remove()
			q.Close()
		}
	}
	for _, name := range names {
		posix.Unlink(name)
	}
}

// exits N COMMAND ARG... runs a command, whose status must be N.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARG...")
	}
	err := ts.Exec(args[1], args[2:]...)
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := args[0]; strconv.Itoa(status) != want {
		ts.Fatalf("status %d instead of %s", status, want)
	}
}

// eventually waits until check returns nil.
func eventually(ts *testscript.TestScript, check func() error) {
	testutil.Await(fataler{TB: nil, ts: ts}, check)
}

// fataler makes a script look like a test.
type fataler struct {
	testing.TB
	ts *testscript.TestScript
}

func (f fataler) Helper()           {}
func (f fataler) Fatal(args ...any) { f.ts.Fatalf("%s", fmt.Sprint(args...)) }

func lastBackground(ts *testscript.TestScript) *exec.Cmd {
	all := ts.BackgroundCmds()
	if len(all) == 0 {
		ts.Fatalf("nothing runs in the background")
	}
	return all[len(all)-1]
}

// asleep FUNCTION... waits until the last command in the background sleeps in a
// function of the kernel.
func asleep(ts *testscript.TestScript, neg bool, args []string) {
	pid := lastBackground(ts).Process.Pid
	eventually(ts, func() error {
		if testutil.Asleep(pid, args...) == 0 {
			return fmt.Errorf("process %d does not sleep in %v", pid, args)
		}
		return nil
	})
}

// empty KEY|NAME waits until the queue is empty; moves KEY waits until something was
// sent to it.
func empty(ts *testscript.TestScript, neg bool, args []string) {
	if strings.HasPrefix(args[0], "/") {
		q, err := posix.Open(args[0], &posix.Config{OpenOnly: true})
		ts.Check(err)
		defer q.Close()
		eventually(ts, func() error {
			u, err := q.Usage()
			if err == nil && u.Messages > 0 {
				err = fmt.Errorf("%d messages are in %s", u.Messages, args[0])
			}
			return err
		})
		return
	}
	awaitStat(ts, args[0], func(s sysv.Stat) bool { return s.Messages == 0 })
}

// settled KEY waits until the queue is empty, and none of its messages is lent or given
// back.
func settled(ts *testscript.TestScript, neg bool, args []string) {
	awaitStat(ts, args[0], func(s sysv.Stat) bool {
		q, err := sysv.OpenID(s.ID, nil)
		ts.Check(err)
		defer q.Close()
		p, err := q.Pool()
		return err == nil && s.Messages == 0 && p.Held+p.Returned == 0
	})
}

func moves(ts *testscript.TestScript, neg bool, args []string) {
	awaitStat(ts, args[0], func(s sysv.Stat) bool { return !s.LastSend.IsZero() })
}

// holds KEY N waits until the queue has N messages.
func holds(ts *testscript.TestScript, neg bool, args []string) {
	awaitStat(ts, args[0], func(s sysv.Stat) bool { return strconv.FormatInt(s.Messages, 10) == args[1] })
}

// lent KEY N waits until N messages of the queue are lent.
func lent(ts *testscript.TestScript, neg bool, args []string) {
	k, err := sysv.ParseKey(args[0])
	ts.Check(err)
	q, err := sysv.Open(k, &sysv.Config{OpenOnly: true})
	ts.Check(err)
	defer q.Close()
	eventually(ts, func() error {
		p, err := q.Pool()
		if n := strconv.Itoa(p.Held + p.Returned); err == nil && n != args[1] {
			err = fmt.Errorf("%s messages are lent, not %s", n, args[1])
		}
		return err
	})
}

// limit NAME VALUE sets a limit of this namespace.
func limit(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.WriteFile("/proc/sys/"+args[0], []byte(args[1]), 0o644))
}

func awaitStat(ts *testscript.TestScript, key string, good func(sysv.Stat) bool) {
	k, err := sysv.ParseKey(key)
	ts.Check(err)
	q, err := sysv.Open(k, &sysv.Config{OpenOnly: true})
	ts.Check(err)
	defer q.Close()
	eventually(ts, func() error {
		s, err := q.Stat()
		if err == nil && !good(s) {
			err = fmt.Errorf("waiting for another state than %+v", s)
		}
		return err
	})
}

// opens NAME waits until the last command in the background has opened the POSIX
// queue.
func opens(ts *testscript.TestScript, neg bool, args []string) {
	fds := fmt.Sprintf("/proc/%d/fd", lastBackground(ts).Process.Pid)
	eventually(ts, func() error {
		entries, err := os.ReadDir(fds)
		for _, e := range entries {
			if name, _ := os.Readlink(filepath.Join(fds, e.Name())); name == args[0] {
				return nil
			}
		}
		return errors.Join(err, fmt.Errorf("%s is not open", args[0]))
	})
}

// holding waits until the last command in the background has 3 POSIX queues open
// whose names are gone.
func holding(ts *testscript.TestScript, neg bool, args []string) {
	fds := fmt.Sprintf("/proc/%d/fd", lastBackground(ts).Process.Pid)
	eventually(ts, func() error {
		entries, err := os.ReadDir(fds)
		n := 0
		for _, e := range entries {
			if name, _ := os.Readlink(filepath.Join(fds, e.Name())); strings.HasPrefix(name, "/held") && strings.HasSuffix(name, " (deleted)") {
				n++
			}
		}
		if n < 3 {
			return errors.Join(err, fmt.Errorf("%d queues are held", n))
		}
		return nil
	})
}

// signal TERM|INT|KILL|HUP sends a signal to the last command in the background.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}[args[0]]
	if neg || !ok {
		ts.Fatalf("usage: signal TERM|INT|KILL|HUP") // otherwise signal 0 would be sent, which does nothing
	}
	ts.Check(lastBackground(ts).Process.Signal(s))
}

// begun FILE waits until the process whose id is in the file runs; ended FILE waits
// until it has ended.
func begun(ts *testscript.TestScript, neg bool, args []string) {
	eventually(ts, func() error { return processIn(ts, args[0]) })
}

func ended(ts *testscript.TestScript, neg bool, args []string) {
	eventually(ts, func() error {
		if processIn(ts, args[0]) == nil {
			return errors.New("it has not ended")
		}
		return nil
	})
}

// processIn returns an error unless the process whose id is in the file runs.
func processIn(ts *testscript.TestScript, file string) error {
	pid, err := os.ReadFile(ts.MkAbs(file))
	if err != nil || !strings.HasSuffix(string(pid), "\n") {
		return fmt.Errorf("no process is in %s", file)
	}
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
	if err == nil && strings.Contains(string(stat), ") Z ") {
		err = errors.New("it has ended")
	}
	return err
}

// unread N COMMAND ARG... runs a command, reads N lines of its standard output into
// unread.out and closes the pipe. The variable STATUS gets its status, and the file
// unread.err its standard error.
func unread(ts *testscript.TestScript, neg bool, args []string) {
	lines, err := strconv.Atoi(args[0])
	ts.Check(err)
	r, w, err := os.Pipe()
	ts.Check(err)
	defer r.Close()
	path := strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0]
	cmd := exec.Command(filepath.Join(path, args[1]), args[2:]...)
	cmd.Args[0] = args[1]
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Env = w, &stderr, append(os.Environ(), "GORACE="+quickExit)
	ts.Check(cmd.Start())
	w.Close()
	var out []byte
	for b := make([]byte, 1); lines > 0; {
		if _, err := io.ReadFull(r, b); err != nil {
			ts.Fatalf("after %q: %v", out, err)
		}
		out = append(out, b[0])
		if b[0] == '\n' {
			lines--
		}
	}
	r.Close()
	cmd.Wait()
	ts.Setenv("STATUS", strconv.Itoa(cmd.ProcessState.ExitCode()))
	ts.Check(os.WriteFile(ts.MkAbs("unread.out"), out, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("unread.err"), []byte(stderr.String()), 0o600))
}
