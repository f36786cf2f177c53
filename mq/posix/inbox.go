package posix

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

var _ mq.Exchange = (*Queue)(nil)

// inboxPrefix begins the name of every inbox, and of no other queue. Behind it
// stand the pid namespace and the process that made it, and random letters:
// /ipcmq-inbox-4026531836-1234-EXAMPLE.
const inboxPrefix = "/ipcmq-inbox-"

const inboxScheme = "posix:"

// An Inbox is a queue for replies, see [Queue.NewInbox].
type Inbox struct{ *Queue }

// NewInbox creates a queue for replies, under a random name, with the sizes of q
// and the mode Config.InboxMode. It counts for the limits like every other
// queue. It lives until it is removed: [RemoveDeadInboxes] finds those whose
// process has ended without removing its own.
func (q *Queue) NewInbox() (mq.Inbox, error) {
	if err := q.usable("new inbox", true); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s%d-%d-%s", inboxPrefix, procfs.PIDNamespace(os.DirFS("/proc")), os.Getpid(), rand.Text())
	in, err := Open(name, &Config{
		Exclusive: true, Mode: q.inboxMode, Blocking: q.now != nil,
		MaxMessages: q.maxMessages, MaxMessageSize: q.maxMessageSize,
	})
	if err != nil {
		return nil, err
	}
	return &Inbox{in}, nil
}

// Address returns "posix:" and the name of the inbox.
func (in *Inbox) Address() string { return inboxScheme + in.name }

// Remove unlinks the inbox.
func (in *Inbox) Remove() error { return in.Unlink() }

// OpenInbox opens the inbox with the given address for sending. An address that
// is not "posix:" and the name of an inbox is refused with [mq.ErrNotInbox].
func (q *Queue) OpenInbox(address string) (mq.SendCloser, error) {
	name, ok := strings.CutPrefix(address, inboxScheme)
	if !ok || !strings.HasPrefix(name, inboxPrefix) || checkName("open inbox", name) != nil {
		return nil, &mq.Error{Op: "open inbox", Queue: strconv.Quote(address), Kind: mq.ErrNotInbox,
			Detail: "the address is not " + inboxScheme + inboxPrefix + " and the rest of a name"}
	}
	in, err := Open(name, &Config{Access: mq.WriteOnly, OpenOnly: true, Blocking: q.now != nil})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// Check returns nil if the queue still has its name, under which others can
// open it. If it was unlinked the error matches [mq.ErrRemoved]; the handle can
// be used nevertheless.
func (q *Queue) Check() error {
	if err := q.usable("check", true); err != nil {
		return err
	}
	info, err := q.file.Stat()
	switch {
	case errors.Is(err, os.ErrClosed):
		return q.fail("check", mq.ErrClosed, 0, "")
	case err != nil:
		return &mq.Error{Op: "check", Queue: q.name, Err: err}
	case sys.FileStatus(info).Links == 0:
		return q.fail("check", mq.ErrRemoved, 0, "the name of the queue was unlinked")
	}
	return nil
}

// RemoveDeadInboxes unlinks the inboxes whose process has ended, killed before
// it could remove its own, and returns their names. It leaves those of other
// users that it may not unlink, and those of processes in other pid namespaces,
// which it cannot see. It finds inboxes as [Queues] does.
func RemoveDeadInboxes() ([]string, error) {
	var removed []string
	for s, err := range Queues() {
		if err != nil {
			return removed, err
		}
		if inboxIsDead(s) && sys.MqUnlink(s.Name) == 0 {
			removed = append(removed, s.Name)
		}
	}
	return removed, nil
}

// inboxIsDead reports whether s is an inbox whose process runs no longer. A
// process that was started after the inbox was last used has only inherited the
// pid.
func inboxIsDead(s Stat) bool {
	rest, ok := strings.CutPrefix(s.Name, inboxPrefix)
	parts := strings.Split(rest, "-")
	if !ok || len(parts) != 3 {
		return false
	}
	proc := os.DirFS("/proc")
	namespace, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil || namespace == 0 || namespace != procfs.PIDNamespace(proc) {
		return false
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil || pid <= 0 {
		return false
	}
	started, err := procfs.ProcessStart(proc, pid)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return started.After(s.Changed.Add(2 * time.Second)) // both are exact to a second
}
