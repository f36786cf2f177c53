package posix_test

import (
	"errors"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

// The kernel accepts every name that is not refused before the call.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"", "/", "jobs", "/jobs", "/a/b", "/.", "/..", "/...", "/a\x00", "/\xff", "/ "} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		testutil.NeedNamespace(t)
		q, err := posix.Open(name, &posix.Config{MaxMessages: 1, MaxMessageSize: 1, Exclusive: true})
		if errors.Is(err, mq.ErrInvalidConfig) {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if err := errors.Join(q.Unlink(), q.Close()); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	})
}
