package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"ipcmq/cmd/internal/cli"
	"ipcmq/internal/testutil"
)

// The test binary is also the command: under the name ipcmq, see bin.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "ipcmq" {
		os.Exit(cli.Main(os.Args[1:]))
	}
	testutil.Main(m, nil)
}

// bin returns a directory with the command ipcmq.
func bin(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(exe, filepath.Join(dir, "ipcmq")); err != nil {
		t.Fatal(err)
	}
	return dir
}
