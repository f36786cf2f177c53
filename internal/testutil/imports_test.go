package testutil_test

import (
	"bytes"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, nil) }

// A source is a Go file of the root module.
type source struct {
	path    string // from the root of the module
	pkg     string // import path
	test    bool
	imports []string
	build   bool // has build constraints, in its name or in a comment
}

// sources reads the root module.
func sources(t *testing.T) (all []source) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != root {
				return fs.SkipDir // another module
			}
			if name := d.Name(); path != root && (name == "testdata" || strings.HasPrefix(name, ".") && name != "..") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		s := source{path: filepath.ToSlash(rel), test: strings.HasSuffix(path, "_test.go")}
		s.pkg = strings.TrimSuffix("ipcmq/"+filepath.ToSlash(filepath.Dir(rel)), "/.")
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, name)
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				s.build = s.build || constraint.IsGoBuild(c.Text)
			}
		}
		words := strings.Split(strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".go"), "_test"), "_")
		for _, w := range words[1:] {
			s.build = s.build || slices.Contains([]string{"linux", "windows", "darwin", "unix", "amd64", "386", "arm64"}, w)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 30 {
		t.Fatalf("%d files: this is not the whole module", len(all))
	}
	return all
}

func (s source) under(dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		return s.pkg == "ipcmq/"+dir || strings.HasPrefix(s.pkg, "ipcmq/"+dir+"/")
	})
}

// The graph of the packages, so that each can be understood and replaced on its
// own. Imports of tests do not count.
func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, name := range s.imports {
			ours := strings.HasPrefix(name, "ipcmq/")
			standard := !ours && !strings.Contains(strings.Split(name, "/")[0], ".")
			var ok bool
			switch {
			case name == "unsafe", strings.HasPrefix(name, "golang.org/x/sys/"):
				ok = s.under("internal/sys")
			case s.pkg == "ipcmq/mq":
				ok = standard
			case s.under("mux/rpc", "stream/lease") && name == "ipcmq/mq/codec": // for its typed forms
				ok = true
			case s.under("mux", "stream"):
				ok = standard || slices.Contains([]string{"mq", "internal/reader", "internal/handle", "internal/lazy"}, strings.TrimPrefix(name, "ipcmq/"))
			case s.under("internal/reader"):
				ok = standard || slices.Contains([]string{"mq", "internal/handle", "internal/poll"}, strings.TrimPrefix(name, "ipcmq/"))
			case s.under("mq/mqtest", "mq/batch", "mq/follow"):
				ok = standard || name == "ipcmq/mq" || name == "ipcmq/internal/handle"
			case s.under("internal/handle", "mq/codec"):
				ok = standard || name == "ipcmq/mq"
			case s.under("internal/sys", "internal/limits", "internal/visible", "internal/lazy", "internal/poll"):
				ok = standard
			case s.under("internal/address"): // the command and the bridge read it, the library does not
				ok = standard || slices.Contains([]string{"mq", "mq/sysv", "internal/visible"}, strings.TrimPrefix(name, "ipcmq/"))
			case s.under("internal/procfs", "internal/sleep"):
				ok = standard || name == "ipcmq/internal/sys"
			case s.under("internal/pool"):
				ok = standard || slices.Contains([]string{"mq", "internal/sys", "internal/procfs", "internal/sleep"}, strings.TrimPrefix(name, "ipcmq/"))
			case s.under("internal/store"):
				ok = standard || slices.Contains([]string{"mq", "internal/pool", "internal/sys", "internal/procfs", "internal/sleep"}, strings.TrimPrefix(name, "ipcmq/"))
			case s.under("mq/sysv") && name == "ipcmq/internal/pool", s.under("mq/sysv", "mq/large") && name == "ipcmq/internal/store":
				ok = true
			case s.under("mq"): // the backends
				ok = standard || name == "ipcmq/mq" || slices.Contains([]string{"sys", "procfs", "sleep", "handle", "limits", "poll"}, strings.TrimPrefix(name, "ipcmq/internal/"))
			case s.under("examples"):
				ok = standard || ours && !strings.Contains(name, "/internal/") // like a user's program
			default:
				ok = true
			}
			if !ok {
				t.Errorf("%s imports %s", s.path, name)
			}
		}
	}
}

func TestBuildConstraintsAreInOnePackage(t *testing.T) {
	found := 0
	for _, s := range sources(t) {
		if !s.build {
			continue
		}
		found++
		if !s.under("internal/sys") {
			t.Errorf("%s has build constraints", s.path)
		}
	}
	if found == 0 {
		t.Error("no build constraints were found, not even in internal/sys")
	}
}

// Tests wait for what they can observe, see [testutil.Await].
func TestTestsDoNotSleepToSynchronize(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", "..", s.path))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "time."+"Sleep(") {
			t.Errorf("%s sleeps", s.path)
		}
	}
}

// A file that is longer than this holds more than one thing.
func TestNoFileIsLong(t *testing.T) {
	const most = 400
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return filepath.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		b, err := os.ReadFile(path)
		if n := bytes.Count(b, []byte("\n")); n > most {
			t.Errorf("%s has %d lines, more than %d", path, n, most)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
