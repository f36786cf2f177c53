package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ipcmq/cmd/internal/cli"
	"ipcmq/mq"
)

// Whatever the file contains, it is read to its end or refused, and what was read can
// be written and read again.
func FuzzReadMessages(f *testing.F) {
	f.Add([]byte("{\"ipcmq\":\"messages\",\"version\":1,\"queue\":\"x\"}\n{\"type\":7,\"size\":5,\"data\":\"aGVsbG8=\"}\n{\"end\":1}\n"), false)
	f.Add([]byte("{\"ipcmq\":\"messages\",\"version\":1}\n{\"priority\":0,\"size\":0,\"data\":\"\"}\n{\"ty"), true)
	f.Fuzz(func(t *testing.T, data []byte, incomplete bool) {
		var read []mq.Message
		n, err := cli.ReadMessages(bytes.NewReader(data), incomplete, func(n int, m mq.Message, _ int) error {
			if n != len(read)+1 {
				t.Fatalf("message %d comes after %d", n, len(read))
			}
			read = append(read, m)
			return nil
		})
		if err != nil {
			return
		}
		if n != len(read) {
			t.Fatalf("%d messages instead of %d", n, len(read))
		}
		name := filepath.Join(t.TempDir(), "f")
		w, err := cli.NewMessageFile(name, "x")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range read {
			if err := w.Add(m); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		var copied []mq.Message
		if _, err := cli.ReadMessages(again, false, func(_ int, m mq.Message, _ int) error {
			copied = append(copied, m)
			return nil
		}); err != nil || fmt.Sprint(copied) != fmt.Sprint(read) {
			t.Fatalf("%v, %v instead of %v", copied, err, read)
		}
	})
}
