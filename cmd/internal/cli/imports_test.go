package cli_test

import (
	"errors"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The command uses the public packages as any program can. Of the internal packages it
// uses those that it shares with the bridge, and those about the operating system:
// process groups, descriptors, limits.
func TestCommandUsesPublicPackages(t *testing.T) {
	files, err1 := filepath.Glob("*.go")
	collected, err2 := filepath.Glob("../collect/*.go")
	shown, err3 := filepath.Glob("../web/*.go")
	if err := errors.Join(err1, err2, err3); err != nil || len(files) < 20 || len(collected) < 5 || len(shown) < 5 {
		t.Fatalf("%d, %d and %d files, %v", len(files), len(collected), len(shown), err)
	}
	for _, name := range slices.Concat(files, collected, shown) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			internal, ok := strings.CutPrefix(path, "ipcmq/internal/")
			if ok && !slices.Contains([]string{"address", "visible", "limits", "procfs", "sys"}, internal) || path == "unsafe" || strings.HasPrefix(path, "golang.org/x/sys/") {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// The help of each command has examples.
func TestEachCommandHasExamples(t *testing.T) {
	for _, name := range []string{"ls", "stat", "create", "set", "rm", "send", "recv", "peek", "request", "serve", "work", "requeue", "drain", "load",
		"top", "web", "export", "limits", "doctor", "bench", "version"} {
		out, err := command(t, name, "--help").Output()
		if err != nil || !strings.Contains(string(out), "Examples:\n  ") || !strings.Contains(string(out), "ipcmq "+name) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 110 {
				t.Errorf("%s: a line of %d characters: %s", name, n, line)
			}
		}
	}
}
