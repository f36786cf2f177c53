package sys_test

import (
	"bytes"
	"io"
	"os/exec"
	"testing"

	"ipcmq/internal/sys"
)

func TestMemoryFileIsReadFromItsBeginning(t *testing.T) {
	for _, data := range [][]byte{nil, []byte("hello"), bytes.Repeat([]byte("0123456789"), 100_000)} {
		f, err := sys.MemoryFile(data)
		if err != nil {
			t.Fatal(err)
		}
		cat := exec.Command("cat")
		cat.Stdin = f
		if out, err := cat.Output(); err != nil || !bytes.Equal(out, data) {
			t.Errorf("%d bytes: a child reads %d: %v", len(data), len(out), err)
		}
		if rest, err := io.ReadAll(f); err != nil || len(rest) > 0 {
			t.Errorf("%d bytes: %d are left behind the child: %v", len(data), len(rest), err)
		}
		f.Close()
	}
}
