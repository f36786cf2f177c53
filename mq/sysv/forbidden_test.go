package sysv_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestMissingAccessIsNamed(t *testing.T) {
	testutil.NeedRoot(t)
	testutil.NotEmulated(t, "the emulator does not know MSG_STAT_ANY, which opens queues that cannot be read")
	// Each mode denies others something. By its id, a queue can be opened that
	// cannot be written, or, for writing, one that cannot be read.
	for _, mode := range []fs.FileMode{0o600, 0o602, 0o604} {
		child(t, "miss access", newQueue(t, &sysv.Config{Mode: mode}).ID())
	}
	q := newQueue(t, &sysv.Config{Mode: 0o666})
	child(t, "lose access", q.ID())
}

func init() {
	named := func(what string, err error, missing string) {
		expect(errors.Is(err, fs.ErrPermission) && errors.Is(err, sys.EACCES) &&
			strings.HasSuffix(err.Error(), "the mode of the queue does not give this user "+missing+" access"), "%s: %v", what, err)
	}
	roles["miss access"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		q, err := sysv.OpenID(number(1), &sysv.Config{Access: mq.WriteOnly})
		expect(err == nil, "%v", err)
		s, err := q.Stat()
		expect(err == nil && s.UID == 0, "stat: %+v, %v", s, err)
		if s.Mode&0o002 == 0 {
			named("try to send", q.TrySend(mq.Message{Type: 1}), "write")
			named("send", q.Send(context.Background(), mq.Message{Type: 1}), "write")
		}
		if s.Mode&0o004 == 0 {
			_, err = sysv.OpenID(number(1), &sysv.Config{Access: mq.ReadOnly})
			named("open", err, "read-only")
		}
	}
	roles["lose access"] = func() {
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		err = q.Set(func(s *sysv.Settings) { s.Mode = 0o600 })
		expect(err == nil, "%v", err)
		err = sys.Become(nobody)
		expect(err == nil, "%v", err)
		for name, err := range everyMethod(context.Background(), q) {
			switch name {
			case "Stat":
				expect(err == nil, "%v", err)
			case "Set":
				expect(errors.Is(err, fs.ErrPermission) && strings.Contains(err.Error(), "only the owner"), "%v", err)
			case "Send", "TrySend":
				named(name, err, "write")
			default:
				named(name, err, "read")
			}
		}
	}
}

func TestASandboxIsNamed(t *testing.T) {
	testutil.NotEmulated(t, "the emulator does not know seccomp")
	q := newQueue(t, nil)
	child(t, "sandboxed", q.ID(), int(sys.EPERM))
	child(t, "sandboxed", q.ID(), int(sys.ENOSYS))
}

func init() {
	roles["sandboxed"] = func() {
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		errno := sys.Errno(number(2))
		err = sys.ForbidQueues(errno)
		expect(err == nil, "%v", err)
		named := func(what string, err error) {
			expect(errors.Is(err, errno) && strings.Contains(err.Error(), "a sandbox such as seccomp forbids them"), "%s: %v", what, err)
		}
		_, err = sysv.Open(sysv.Private, nil)
		named("open", err)
		_, err = sysv.Open(sysv.Key(os.Getpid()), &sysv.Config{OpenOnly: true})
		named("open only", err)
		_, err = sysv.OpenID(q.ID(), nil)
		named("open by id", err)
		_, err = sysv.SystemLimits()
		named("limits", err)
		_, err = sysv.SystemUsage()
		named("usage", err)
		_, err = q.NewInbox()
		named("new inbox", err)
		named("remove", q.Remove())
		for name, err := range everyMethod(context.Background(), q) {
			switch {
			case name == "Peek" && errno == sys.ENOSYS: // the errno if MSG_COPY is missing
				expect(errors.Is(err, errors.ErrUnsupported), "%v", err)
			default:
				named(name, err)
			}
		}
	}
}
