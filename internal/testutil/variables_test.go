package testutil_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// CONTRIBUTING.md documents each variable that changes what tests do.
func TestVariablesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../.github/CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`(?:"|\$\{)(IPCMQ_[A-Z_]+)[":}]`)
	found := map[string]bool{}
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".ci/run") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range variable.FindAllSubmatch(b, -1) {
			name := string(m[1])
			if found[name] || strings.HasPrefix(name, "IPCMQ_TEST_") {
				continue
			}
			found[name] = true
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("%s: %s is not in CONTRIBUTING.md", path, name)
			}
		}
		return err
	})
	if err != nil || len(found) < 10 {
		t.Errorf("%d variables, %v", len(found), err)
	}
}
