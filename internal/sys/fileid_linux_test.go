package sys_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ipcmq/internal/sys"
)

func TestFileIDFollowsLinksAndTellsFilesApart(t *testing.T) {
	dir := t.TempDir()
	a, b, link := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "link")
	for _, path := range []string{a, b} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	id := func(path string) [2]uint64 {
		dev, ino, err := sys.FileID(path)
		if err != nil {
			t.Fatal(err)
		}
		return [2]uint64{dev, ino}
	}
	if id(a) != id(link) {
		t.Error("a link is not the file that it points to")
	}
	if id(a) == id(b) || id(a)[0] != id(b)[0] {
		t.Errorf("two files of one device: %v, %v", id(a), id(b))
	}
	if _, _, err := sys.FileID(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
