package cli_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ipcmq/cmd/internal/cli"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// evil makes a terminal's background magenta, which the command never does.
const evil = "\x1b[45m"

// hostileNames are names of POSIX queues that any user can make.
var hostileNames = []string{
	"/a\n0x99  7  root  0666  forged", "/" + evil + "color", "/\xff\xfe", "/\u009b45m", "/tab\there", "/\u202eright to left", "/\x7f",
	"/two words", "/x;touch touched", "/$(touch touched)", "/`touch touched`", "/'quoted'", `/"quoted"`, `/back\slash`, "/100%", "/-n", "/~", "/*", "/größe",
}

// makeHostile creates the queues, fills one, and has a message sent by a process
// with an equally bad name.
func makeHostile(t *testing.T) {
	t.Helper()
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	t.Cleanup(func() {
		for s := range posix.Queues() {
			_ = posix.Unlink(s.Name)
		}
	})
	for i, name := range hostileNames {
		q, err := posix.Open(name, &posix.Config{MaxMessages: 1, MaxMessageSize: 10})
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := q.TrySend(mq.Message{Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		q.Close()
	}
	before, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/comm", []byte("x\n0x99"+evil), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile("/proc/self/comm", before, 0o600) })
	if err := openQueue(t).TrySend(mq.Message{Type: 1, Data: []byte(evil)}); err != nil {
		t.Fatal(err)
	}
	holdEvil(t)
}

// hostileKey is the key of a queue of which a process with a bad name holds a message.
const hostileKey = 0x2b2b

func holdEvil(t *testing.T) {
	t.Helper()
	q, err := sysv.Open(hostileKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	if err := q.TrySend(mq.Message{Type: 1, Data: []byte(evil)}); err != nil {
		t.Fatal(err)
	}
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Lease(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// checkHarmless fails the test if the output of a command could control a terminal
// or contains a forged line. The output of top has control sequences of its own.
func checkHarmless(t *testing.T, what, shown string) {
	t.Helper()
	if strings.Contains(shown, evil) || strings.Contains(shown, "\u009b") || !utf8.ValidString(shown) {
		t.Errorf("%s: %q", what, shown)
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(shown, "\r\n", "\n"), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "0x99") {
			t.Errorf("%s: a forged line: %q", what, line)
		}
		for _, r := range line {
			if !unicode.IsPrint(r) && !(strings.HasPrefix(what, "top") && r == '\x1b') && !(strings.Contains(what, "completion") && r == '\t') {
				t.Errorf("%s: %q in %q", what, r, line)
				break
			}
		}
	}
}

// shownBy runs ipcmq, and returns its standard output and standard error.
func shownBy(t *testing.T, args ...string) string {
	t.Helper()
	cmd := command(t, args...)
	cmd.Stderr = nil
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestNamesOfOthersCannotControlATerminal(t *testing.T) {
	makeHostile(t)
	commands := [][]string{
		{"ls"}, {"ls", "--json"}, {"doctor"}, {"limits"}, {"top", "-n", "1", "--interval", "100ms"}, {"rm", "--mine"}, {"stat", "0x2b2b"}, {"stat", "0x2b2b", "--json"},
	}
	for _, name := range hostileNames[:5] {
		commands = append(commands, []string{"stat", name}, []string{"stat", name, "--json"}, []string{"create", name},
			[]string{"create", name, "--exclusive"}, []string{"peek", name}, []string{"request", name, "7", "x"},
			[]string{"send", name, "longer than ten bytes"}, []string{"set", name, "--owner", name}, []string{"bench", name},
			[]string{"load", name, "--from", "/no/" + name}, []string{name}, []string{"stat", name[1:]}, []string{"stat", "id:" + name}, []string{"recv", "--" + name})
	}
	for _, args := range commands {
		checkHarmless(t, strings.Join(args, " "), shownBy(t, args...))
	}
	for _, args := range append(commands[:8:8], []string{"peek", "0x2b2b", "--lent"}) {
		if shown := shownBy(t, args...); args[0] == "ls" && strings.Count(shown, "name:/") < 8 {
			t.Errorf("%v lacks addresses: %s", args, shown)
		}
		terminal := testutil.NewTerminal(t, 60, 200)
		cmd := command(t, args...)
		cmd.Env = append(cmd.Env, "TERM=xterm")
		terminal.Attach(cmd)
		terminal.Type(t, "n\n")
		cmd.Run()
		checkHarmless(t, strings.Join(args, " "), terminal.Shown())
	}
}

// ls, ls --json and completion, as read by a shell, give each queue an address that
// commands accept.
func TestEveryQueueHasAnAddress(t *testing.T) {
	makeHostile(t)
	want := map[string]bool{}
	for _, name := range hostileNames {
		want[name] = true
	}
	names := func(what string, addresses []string) {
		got := map[string]bool{}
		for _, a := range addresses {
			if strings.HasPrefix(a, "/") || strings.HasPrefix(a, "name:/") {
				name, err := cli.NameOf(a)
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				got[name] = true
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s has %q", what, slices.Sorted(maps.Keys(got)))
		}
	}

	var listed []string
	for line := range strings.Lines(shownBy(t, "ls")) {
		listed = append(listed, strings.Fields(line)[0])
	}
	names("ls", listed)

	var queues []struct{ Address string }
	if err := json.Unmarshal([]byte(shownBy(t, "ls", "--json")), &queues); err != nil {
		t.Fatal(err)
	}
	listed = nil
	for _, q := range queues {
		listed = append(listed, q.Address)
	}
	names("ls --json", listed)

	completed := shownBy(t, "__complete", "stat", "")
	checkHarmless(t, "completion", completed)
	listed = nil
	for line := range strings.Lines(completed) {
		candidate, _, _ := strings.Cut(line, "\t")
		listed = append(listed, candidate)
	}
	names("completion", listed)
	for _, a := range listed {
		if !strings.HasPrefix(a, "/") && !strings.HasPrefix(a, "name:/") {
			continue
		}
		// As if typed, in a directory where a star matches files.
		sh := exec.Command("sh", "-c", "ipcmq stat --json "+a)
		sh.Dir = t.TempDir()
		os.WriteFile(filepath.Join(sh.Dir, "file"), nil, 0o600)
		sh.Env = append(os.Environ(), "PATH="+bin(t)+string(os.PathListSeparator)+os.Getenv("PATH"), "GORACE="+quickExit)
		out, err := sh.CombinedOutput()
		var described struct{ Address string }
		if err != nil || json.Unmarshal(out, &described) != nil {
			t.Errorf("ipcmq stat %s: %v, %s", a, err, out)
			continue
		}
		one, err1 := cli.NameOf(a)
		other, err2 := cli.NameOf(described.Address)
		if one != other || err1 != nil || err2 != nil {
			t.Errorf("ipcmq stat %s is of %q", a, described.Address)
		}
		if _, err := os.Stat(filepath.Join(sh.Dir, "touched")); err == nil {
			t.Errorf("the shell ran what is in the name %q", one)
		}
		if err := command(t, "rm", a).Run(); err != nil {
			t.Errorf("rm %s: %v", a, err)
		}
	}
}

// The answer of a server, and the output of a command of serve, cannot control a
// terminal either; elsewhere a reply stays as it is.
func TestAnswersOfOthersCannotControlATerminal(t *testing.T) {
	testutil.NeedNamespace(t)
	q := openQueue(t)
	serve := func(typ, script string) *testutil.Terminal {
		terminal := testutil.NewTerminal(t, 24, 80)
		cmd := command(t, "serve", address(q), typ, "--", "sh", "-c", script)
		terminal.Attach(cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return terminal
	}
	serve("7", `printf '\033[45mreply'`)
	failing := serve("8", `printf '\033[45mfirst\nlast\033[45m' >&2; exit 1`)
	if out, err := command(t, "request", address(q), "7", "x").Output(); err != nil || string(out) != evil+"reply" {
		t.Errorf("a reply to a pipe: %q, %v", out, err)
	}
	for typ, want := range map[string]string{"7": `\x1b[45mreply`, "8": `last\x1b[45m`} {
		terminal := testutil.NewTerminal(t, 24, 80)
		cmd := command(t, "request", address(q), typ, "x")
		terminal.Attach(cmd)
		cmd.Run()
		testutil.Await(t, func() error {
			if !strings.Contains(terminal.Shown(), want) {
				return fmt.Errorf("%q lacks %q", terminal.Shown(), want)
			}
			return nil
		})
		checkHarmless(t, "request", terminal.Shown())
	}
	testutil.Await(t, func() error {
		if !strings.Contains(failing.Shown(), `\x1b[45mfirst`) {
			return fmt.Errorf("%q", failing.Shown())
		}
		return nil
	})
	checkHarmless(t, "serve", failing.Shown())
}

func TestJSONEscapesInvisibleCharacters(t *testing.T) {
	for _, s := range []string{"plain ä", evil, "\x7f\u009b\u202e\U000e0041\n\t\"\\", "\ufffd"} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		escaped := cli.AppendJSON(nil, b)
		var got string
		if err := json.Unmarshal(escaped, &got); err != nil || got != s {
			t.Errorf("%q is read from %s as %q, %v", s, escaped, got, err)
		}
		for _, r := range string(escaped) {
			if !unicode.IsPrint(r) {
				t.Errorf("%q in %s", r, escaped)
			}
		}
	}
}

// Text for people goes through line and table. The files below may write in another
// way, for the reason given.
func TestTextGoesOneWay(t *testing.T) {
	allowed := map[string]string{
		"text.go":     "line and table",
		"bash.go":     "a script, which is the same everywhere",
		"man.go":      "manual pages, which are the same everywhere",
		"ls.go":       "JSON",
		"format.go":   "messages",
		"peek.go":     "messages",
		"recv.go":     "messages",
		"request.go":  "a reply, through writeData",
		"program.go":  "what a program wrote, through writeData",
		"work.go":     "what a program wrote: through relay, or directly if it is not a terminal",
		"rm.go":       "the question, through write",
		"top.go":      "the screen, through painter; lines, through write",
		"progress.go": "bars",
		"bench.go":    "the other process's errors, which are written by this program; tables, through write",
		"doctor.go":   "through write",
		"export.go":   "metrics, whose labels are safe",
		"limits.go":   "through write",
		"stat.go":     "through write",
		"remote.go":   "messages; tables, through write",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok {
					if x, ok := f.X.(*ast.Ident); ok && x.Name == "fmt" && strings.HasPrefix(f.Sel.Name, "Print") {
						t.Errorf("%s calls fmt.%s", name, f.Sel.Name)
					}
				}
			}
			if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "Stdout" || s.Sel.Name == "Stderr") {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "os" && allowed[name] == "" {
					t.Errorf("%s writes to os.%s", name, s.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestTablesCannotBeForged(t *testing.T) {
	table := cli.Table([][]string{{"QUEUE", "OWNER"}, {"/a\nb" + evil, "ro\tot\r"}, {"/größe", "\xff"}})
	want := []string{
		`QUEUE            OWNER`,
		`/a\x0ab\x1b[45m  ro\x09ot\x0d`,
		`/größe           \xff`,
		``,
	}
	if got := strings.Split(table, "\n"); !slices.Equal(got, want) {
		t.Errorf("got %s", strconv.Quote(table))
	}
}
