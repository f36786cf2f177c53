package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ipcmq/cmd/internal/cli"
	"ipcmq/internal/testutil"
)

// pages writes all pages and returns their files.
func pages(t *testing.T) (files []string) {
	t.Helper()
	dir := t.TempDir()
	cmd := command(t, "man", "--dir", dir)
	cmd.Env = append(cmd.Env, "SOURCE_DATE_EPOCH=86400")
	if out, err := cmd.Output(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Each command has a page with the contents of its help.
func TestManualPagesMatchTheHelp(t *testing.T) {
	files := pages(t)
	texts := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(f), ".1")
		texts[name] = string(b)
		if first, _, _ := strings.Cut(string(b), "\n"); first != `.TH `+strings.ToUpper(name)+` 1 "1970-01-02" ipcmq "User Commands"` {
			t.Errorf("%s begins with %q", name, first)
		}
		for i, l := range strings.Split(string(b), "\n") {
			if strings.HasPrefix(l, "'") || strings.HasPrefix(l, ".") && !strings.Contains(" .TH .SH .PP .TP .RS .RE .nf .fi .sp .B .BR ", " "+strings.Fields(l)[0]+" ") {
				t.Errorf("%s, line %d: %q is no text", name, i+1, l)
			}
		}
	}
	for _, name := range cli.Commands() {
		if name == "bench-peer" || name == "completion" || name == "help" {
			continue
		}
		text := texts["ipcmq-"+name]
		for _, f := range cli.Flags(name) {
			if !strings.Contains(text, `\-\-`+strings.ReplaceAll(f, "-", `\-`)) {
				t.Errorf("the page of %s lacks --%s", name, f)
			}
		}
		if !strings.Contains(texts["ipcmq"], ".BR ipcmq\\-"+strings.ReplaceAll(name, "-", `\-`)+" (1),") {
			t.Errorf("the page of ipcmq does not name that of %s", name)
		}
	}
	one := shownBy(t, "man", "recv")
	if !strings.Contains(one, ".SH EXAMPLES\n.RS 2\n.nf\nipcmq recv 42\n") || !strings.Contains(one, `!7   all but type 7`) {
		t.Errorf("the page of recv: %s", one)
	}
}

// mandoc's lint has no warnings.
func TestManualPagesAreWellFormed(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		testutil.Lacking(t, "mandoc")
	}
	files := pages(t)
	if out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, files...)...).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
