package posix

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

var (
	_ mq.Exchange = (*Queue)(nil)
	_ mq.Checker  = (*Queue)(nil)
	_ mq.Meter    = (*Queue)(nil)
)

// inboxPrefix begins the name of every inbox, and of no other queue. After it
// come the pid and the time namespace of the process that created it, its pid,
// its start in ticks since the boot, and random letters:
// /ipcmq-inbox-4026531836-4026531834-1234-56789-EXAMPLE. Unknown values are 0.
const inboxPrefix = "/ipcmq-inbox-"

const inboxScheme = "posix:"

// An inbox is a queue for replies, see [Queue.NewInbox].
type inbox struct{ *Queue }

// NewInbox creates a queue for replies, under a random name, with the mode
// Config.InboxMode. If the mode lets a group write, this is the group of q if the
// process is in it, also as a supplementary one, and otherwise its effective group.
// The sizes are those of q, or smaller if the limits for this user require it; an
// inbox counts against the limits like every other queue. It exists until it is
// removed: [RemoveDeadInboxes] finds those whose process has ended without removing
// them.
func (q *Queue) NewInbox() (mq.Inbox, error) {
	if err := q.usable("new inbox", true); err != nil {
		return nil, err
	}
	p, err := procfs.Self(procfs.Root)
	if err != nil {
		p = procfs.Process{} // nobody can judge this one
	}
	name := fmt.Sprintf("%s%d-%d-%d-%d-%s", inboxPrefix, p.PIDSpace, p.TimeSpace, p.PID, p.Start, rand.Text())
	c := Config{
		Exclusive: true, Mode: q.inboxMode, Blocking: q.blocking, Spin: -1, // clients poll themselves
		MaxMessages: q.maxMessages, MaxMessageSize: q.maxMessageSize,
	}
	for {
		in, err := Open(name, &c)
		if err == nil {
			if group := q.inboxGroup(); group >= 0 {
				_ = in.file.Chown(-1, group) // if it fails, the group stays
			}
			return &inbox{in}, nil
		}
		if !c.lessThan(err) {
			return nil, err
		}
	}
}

// inboxGroup returns the group to give an inbox, or -1 to leave it unchanged.
func (q *Queue) inboxGroup() int {
	if q.inboxMode&0o020 == 0 {
		return -1
	}
	info, err := q.file.Stat()
	if err != nil {
		return -1
	}
	group := int(sys.FileStatus(info).GID)
	if groups, err := os.Getgroups(); err != nil || !slices.Contains(groups, group) {
		return -1
	}
	return group
}

// lessThan reduces the sizes of a queue that could not be created, if err says
// that they were the reason.
func (c *Config) lessThan(err error) bool {
	switch {
	case errors.Is(err, sys.EINVAL): // q was created with more rights, or before the limits were lowered
		l, err := SystemLimits()
		if err != nil {
			return false
		}
		messages, size := min(c.MaxMessages, l.MaxMessages), min(c.MaxMessageSize, l.MaxMessageSize)
		if messages == c.MaxMessages && size == c.MaxMessageSize {
			return false
		}
		c.MaxMessages, c.MaxMessageSize = messages, size
		return true
	case errors.Is(err, sys.EMFILE) && c.MaxMessages > 1: // RLIMIT_MSGQUEUE
		c.MaxMessages /= 2
		return true
	}
	return false
}

// Address returns "posix:" and the name of the inbox.
func (in *inbox) Address() string { return inboxScheme + in.name }

// Remove unlinks the inbox.
func (in *inbox) Remove() error { return in.Unlink() }

// OpenInbox opens the inbox with the given address for sending. An address that
// is not "posix:" and the name of an inbox is refused with [mq.ErrNotInbox].
func (q *Queue) OpenInbox(address string) (mq.SendCloser, error) {
	name, ok := strings.CutPrefix(address, inboxScheme)
	if !ok || !strings.HasPrefix(name, inboxPrefix) || checkName("open inbox", name) != nil {
		return nil, &mq.Error{Op: "open inbox", Queue: strconv.Quote(address), Kind: mq.ErrNotInbox,
			Detail: "the address is not " + inboxScheme + inboxPrefix + " and the rest of a name"}
	}
	in, err := Open(name, &Config{Access: mq.WriteOnly, OpenOnly: true, Blocking: q.blocking})
	if err != nil {
		return nil, err
	}
	return &outlet{in}, nil
}

// An outlet is another program's inbox, to send to.
type outlet struct{ *Queue }

// Send is [Queue.Send]. A message that nobody can receive any more, since the inbox
// was unlinked, is not sent: the error matches [mq.ErrRemoved].
func (out *outlet) Send(ctx context.Context, m mq.Message) error {
	if err := out.linked(); err != nil {
		return err
	}
	return out.Queue.Send(ctx, m)
}

// TrySend is [Queue.TrySend], and refuses like Send.
func (out *outlet) TrySend(m mq.Message) error {
	if err := out.linked(); err != nil {
		return err
	}
	return out.Queue.TrySend(m)
}

// linked returns an error if the name of the inbox was unlinked.
func (out *outlet) linked() error {
	out.using.RLock()
	defer out.using.RUnlock()
	if out.closed.Load() {
		return nil // which sending reports
	}
	if n, errno := sys.Links(out.fd); errno == 0 && n == 0 {
		return out.handle.Fail("send", mq.ErrRemoved, nil, "the inbox was unlinked")
	}
	return nil
}

// Check reports whether anybody can still receive. See [mq.Exchange].
func (out *outlet) Check() error {
	err := out.Queue.Check()
	if err != nil {
		return err
	}
	if owner, ok := inboxOwner(out.handle.Name); ok && owner.Ended(procfs.Root) {
		err = out.handle.Fail("check", mq.ErrRemoved, nil, "the process that created the inbox has ended")
	}
	return err
}

// IsInbox reports whether the queue was created for replies, see
// [Queue.NewInbox].
func (s Stat) IsInbox() bool { return strings.HasPrefix(s.Name, inboxPrefix) }

// RemoveDeadInboxes unlinks the inboxes whose process has certainly ended, killed
// before it could remove them, and returns their names. It leaves those of other
// users that it may not unlink, and those of processes that it cannot judge
// because they are in another pid or time namespace, or /proc is not mounted. It
// finds inboxes like [Queues], whose errors it returns.
func RemoveDeadInboxes() ([]string, error) {
	dead, _, err := DeadInboxes()
	var removed []string
	for _, name := range dead {
		if sys.MqUnlink(name) == 0 {
			removed = append(removed, name)
		}
	}
	return removed, err
}

// DeadInboxes returns the names of the inboxes that [RemoveDeadInboxes] would
// unlink, if it may, and of those that it cannot judge; it unlinks none. It
// returns the same errors.
func DeadInboxes() (dead, unknown []string, err error) {
	for s, err := range Queues() {
		if err != nil {
			return dead, unknown, err
		}
		if !s.IsInbox() {
			continue
		}
		owner, _ := inboxOwner(s.Name) // the zero Process if the name has none
		switch ended, known := owner.Judge(procfs.Root); {
		case ended:
			dead = append(dead, s.Name)
		case !known:
			unknown = append(unknown, s.Name)
		}
	}
	return dead, unknown, nil
}

// inboxOwner returns the process that the name of an inbox identifies.
func inboxOwner(name string) (p procfs.Process, ok bool) {
	rest, ok := strings.CutPrefix(name, inboxPrefix)
	parts := strings.Split(rest, "-")
	if !ok || len(parts) != 5 {
		return procfs.Process{}, false
	}
	var n [4]uint64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(parts[i], 10, 64); err != nil {
			return procfs.Process{}, false
		}
	}
	if n[2] == 0 || n[2] > math.MaxInt32 {
		return procfs.Process{}, false
	}
	return procfs.Process{PIDSpace: n[0], TimeSpace: n[1], PID: int(n[2]), Start: n[3]}, true
}
