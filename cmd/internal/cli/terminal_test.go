package cli_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/term"

	"ipcmq/cmd/internal/cli"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// question matches control sequences that a terminal answers: queries for colors,
// attributes, the cursor position, modes, the kitty keyboard protocol, version, termcap.
var question = regexp.MustCompile(`\x1b\][0-9;]*\?|\x1b\[[?>=]?[0-9;]*(\$p|[cnu]|q)|\x1bP`)

// onTerminal runs ipcmq in a terminal that answers nothing, and returns what it
// showed. If keys is empty, behind is typed before the command begins; otherwise keys
// are typed when the terminal shows after, and behind together with them. All of behind
// must be left for the next program.
func onTerminal(t *testing.T, status int, after, keys, behind string, args ...string) string {
	t.Helper()
	terminal := testutil.NewTerminal(t, 24, 100)
	state, err := term.GetState(int(terminal.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, args...)
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	terminal.Attach(cmd)
	if keys == "" {
		terminal.Type(t, behind)
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if keys != "" {
		testutil.Await(t, func() error {
			if !strings.Contains(terminal.Shown(), after) {
				return fmt.Errorf("%v: waiting for %q in %q", args, after, terminal.Shown())
			}
			return nil
		})
		terminal.Type(t, keys+behind)
	}
	cmd.Wait()
	t.Logf("%v: %v", args, time.Since(begun).Round(time.Millisecond))
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("%v: status %d instead of %d", args, got, status)
	}
	if now, err := term.GetState(int(terminal.File().Fd())); err != nil || !reflect.DeepEqual(now, state) {
		t.Errorf("%v: the terminal is left in the state %v instead of %v, %v", args, now, state, err)
	}
	if behind != "" {
		line, err := bufio.NewReader(terminal.File()).ReadString('\n')
		if err != nil || line != behind {
			t.Errorf("%v: %q, %v instead of %q is left to be read", args, line, err, behind)
		}
	}
	// All output has been written, but perhaps not been read yet.
	const end = "the end"
	fmt.Fprint(terminal.File(), end)
	testutil.Await(t, func() error {
		if !strings.HasSuffix(terminal.Shown(), end) {
			return errors.New("the terminal does not show the end")
		}
		return nil
	})
	shown := strings.TrimSuffix(terminal.Shown(), end)
	if q := question.FindString(shown); q != "" {
		t.Errorf("%v asks the terminal %q", args, q)
	}
	return shown
}

// No command queries the terminal, waits for an answer, or reads input that is meant
// for the next program.
func TestCommandsLeaveTheTerminalAlone(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	const behind = "typed meanwhile\n"
	dir := t.TempDir()
	s, err := sysv.Open(0x7e57, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Remove(); s.Close() })
	p, err := posix.Open("/terminal", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Unlink(); p.Close() })

	seen := map[string]bool{}
	for _, test := range []struct {
		status int
		after  string
		keys   string
		args   []string
	}{
		{args: []string{"version"}},
		{args: []string{"help"}},
		{args: []string{"man", "recv"}},
		{args: []string{"completion", "bash"}},
		{args: []string{"__complete", "stat", ""}},
		{args: []string{"ls"}},
		{args: []string{"ls", "--json"}},
		{args: []string{"create", "0x7e57"}},
		{args: []string{"create", "/terminal"}},
		{args: []string{"set", "0x7e57", "--mode", "0640"}},
		{args: []string{"stat", "0x7e57"}},
		{args: []string{"stat", "/terminal"}},
		{args: []string{"send", "0x7e57", "hello"}},
		{args: []string{"peek", "0x7e57"}},
		{args: []string{"recv", "0x7e57"}},
		{args: []string{"recv", "0x7e57", "--no-wait"}, status: 3},
		{args: []string{"send", "/terminal", "hello"}},
		{args: []string{"drain", "/terminal", "--to", filepath.Join(dir, "messages")}},
		{args: []string{"load", "/terminal", "--from", filepath.Join(dir, "messages")}},
		{args: []string{"recv", "/terminal"}},
		{args: []string{"request", "0x7e57", "7", "hi", "--timeout", "50ms"}, status: 3},
		{args: []string{"recv", "0x7e57"}},
		{args: []string{"requeue", "0x7e57", "--to", "0x7e58", "--create"}},
		{args: []string{"rm", "0x7e58"}},
		{args: []string{"limits"}},
		{args: []string{"export", "--once"}},
		{args: []string{"doctor"}},
		{args: []string{"bench", "--duration", "20ms"}},
		{args: []string{"rm", "0x7e57"}},
		{args: []string{"rm", "--mine", "--empty"}, after: "[y/N]", keys: "n\n"},
		{args: []string{"top", "--interval", "100ms"}, after: "QUEUE", keys: "js?k/q\r?qq"}, // a q in the filter, and a q that closes the help
		{args: []string{"top", "--interval", "100ms", "--filter", "7e57", "--sort", "fill"}, after: "Esc shows all", keys: "q"},
		{args: []string{"top", "--interval", "1h"}, after: "measuring", keys: "\x03"},
		{args: []string{"web", "--listen", "127.0.0.1:0"}, after: "token=", keys: "\x03"},
		{args: []string{"no-such-command"}, status: 2},
	} {
		shown := onTerminal(t, test.status, test.after, test.keys, behind, test.args...)
		seen[test.args[0]] = true
		if test.args[0] != "top" && test.args[0] != "bench" && strings.Contains(shown, "\x1b") {
			t.Errorf("%v writes control sequences: %q", test.args, shown)
		}
	}
	onTerminal(t, 0, "", "", "", "top", "-n", "2", "--interval", "100ms")
	for _, name := range cli.Commands() {
		if !seen[name] && name != "serve" && name != "work" && name != "bench-peer" { // see below and work_test.go; users do not start bench-peer
			t.Errorf("%s was not tried", name)
		}
	}
}

// serve leaves the terminal alone too: its commands read requests instead.
func TestServeLeavesTheTerminalAlone(t *testing.T) {
	testutil.NeedNamespace(t)
	q := openQueue(t)
	terminal := testutil.NewTerminal(t, 24, 100)
	server := command(t, "serve", address(q), "7", "--", "cat")
	terminal.Attach(server)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	const behind = "typed meanwhile\n"
	terminal.Type(t, behind)
	out, err := command(t, "request", address(q), "7", "hello").Output()
	if err != nil || string(out) != "hello" {
		t.Errorf("%q, %v", out, err)
	}
	server.Process.Signal(os.Interrupt)
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
	line, err := bufio.NewReader(terminal.File()).ReadString('\n')
	if err != nil || line != behind {
		t.Errorf("%q, %v is left to be read", line, err)
	}
	if shown := terminal.Shown(); strings.Contains(shown, "\x1b") {
		t.Errorf("serve writes control sequences: %q", shown)
	}
}

// A serial console has no size; a dumb terminal gets lines.
func TestTopSuitsTheTerminal(t *testing.T) {
	testutil.NeedNamespace(t)
	for range 30 {
		if err := openQueue(t).TrySend(mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name    string
		env     []string
		want    []string
		without string
	}{
		{"no size", []string{"TERM=vt220"}, []string{"\x1b[?1049h", "11 queues more", "\x1b[32m", "\x1b[?1049l"}, "\x1b[25H"},
		{"a size in the environment", []string{"TERM=vt220", "LINES=12"}, []string{"23 queues more"}, "\x1b[13H"},
		{"no colors", []string{"TERM=xterm", "NO_COLOR=1"}, []string{"\x1b[1m"}, "\x1b[32m"},
		{"dumb", []string{"TERM=dumb"}, []string{"id:", "messages=1"}, "\x1b"},
		{"unknown", []string{"TERM="}, []string{"id:", "messages=1"}, "\x1b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			terminal := testutil.NewTerminal(t, 0, 0)
			cmd := command(t, "top", "-n", "2", "--interval", "100ms")
			cmd.Env = append(cmd.Env, "NO_COLOR=", "LINES=", "COLUMNS=")
			cmd.Env = append(cmd.Env, test.env...)
			terminal.Attach(cmd)
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				testutil.Await(t, func() error {
					if !strings.Contains(terminal.Shown(), want) {
						return fmt.Errorf("%q lacks %q", terminal.Shown(), want)
					}
					return nil
				})
			}
			if strings.Contains(terminal.Shown(), test.without) {
				t.Errorf("%q has %q", terminal.Shown(), test.without)
			}
		})
	}
}

func TestTopFollowsTheSizeOfTheTerminal(t *testing.T) {
	testutil.NeedNamespace(t)
	for range 30 {
		openQueue(t)
	}
	terminal := testutil.NewTerminal(t, 24, 100)
	cmd := command(t, "top", "--interval", "100ms")
	cmd.Env = append(cmd.Env, "TERM=xterm")
	terminal.Attach(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		rows int
		want string
	}{{24, "11 queues more"}, {10, "25 queues more"}, {34, "1 queue more"}} {
		terminal.Resize(t, test.rows, 100)
		testutil.Await(t, func() error {
			if !strings.Contains(terminal.Shown(), test.want) {
				return fmt.Errorf("%d rows: %q lacks %q", test.rows, terminal.Shown(), test.want)
			}
			return nil
		})
	}
	terminal.Type(t, "q")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// keysOf returns the keys read from typed, and what is left of it.
func keysOf(typed string) (keys []string, left string) {
	in := strings.NewReader(typed)
	_ = cli.ReadKeys(in, func(key string) bool {
		keys = append(keys, key)
		return key != "q"
	})
	rest, _ := io.ReadAll(in)
	return keys, string(rest)
}

func TestKeysAreReadOneByOne(t *testing.T) {
	const more = "escape" // the key is incomplete
	for _, test := range []struct {
		typed string
		keys  []string
		left  string
	}{
		{"", nil, ""},
		{"sj", []string{"s", "j"}, ""},
		{"qls\n", []string{"q"}, "ls\n"},
		{"\x1b[A\x1bOB", []string{more, more, "up", more, more, "down"}, ""},
		{"\x1b[5~\x1b[6~q", []string{more, more, more, "page up", more, more, more, "page down", "q"}, ""},
		{"\x1b[1;5Aq!", []string{more, more, more, more, more, "", "q"}, "!"},
		{"\x1bqq", []string{more, "", "q"}, ""}, // the first is Alt and q
		{"\x1b", []string{more}, ""},
		{"\x1b\x1b[A", []string{more, more, more, "up"}, ""},
	} {
		keys, left := keysOf(test.typed)
		if !reflect.DeepEqual(keys, test.keys) || left != test.left {
			t.Errorf("%q: %q, and %q is left", test.typed, keys, left)
		}
	}
}

// Whatever is typed, reading keys ends, and q ends it unless it is part of another key.
func FuzzKeys(f *testing.F) {
	f.Add("sjk \x1b[A\x1bOB\x1b[5~q")
	f.Add("\x1b[" + strings.Repeat("1;", 40) + "q")
	f.Fuzz(func(t *testing.T, typed string) {
		keys, left := keysOf(typed)
		if len(keys)+len(left) != len(typed) {
			t.Errorf("%d keys and %d bytes of %d", len(keys), len(left), len(typed))
		}
		for i, key := range keys {
			if (key == "q") != (i == len(keys)-1 && left != "") && (key == "q") != (i == len(keys)-1 && strings.HasSuffix(typed, "q")) {
				t.Errorf("%q: key %d of %q, and %q is left", typed, i, keys, left)
			}
		}
		if !strings.Contains(typed, "\x1b") && strings.Contains(typed, "q") && keys[len(keys)-1] != "q" {
			t.Errorf("%q: %q", typed, keys)
		}
	})
}
