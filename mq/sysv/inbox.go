package sysv

import (
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

// inboxMark tells an inbox from other private queues: execute permission, which
// message queues have no use for, and which Config.Mode and Settings refuse.
const inboxMark fs.FileMode = 0o111

const inboxScheme = "sysv:"

// An Inbox is a private queue for replies, see [Queue.NewInbox].
type Inbox struct{ *Queue }

// NewInbox creates a private queue for replies, with the mode Config.InboxMode
// of q. It lives until it is removed: [RemoveDeadInboxes] finds those whose
// process has ended without removing its own.
func (q *Queue) NewInbox() (mq.Inbox, error) {
	if err := q.usable("new inbox", true); err != nil {
		return nil, err
	}
	id, errno := sys.Msgget(uint32(Private), sys.IPC_CREAT|sys.IPC_EXCL|int(q.inboxMode|inboxMark))
	if errno != 0 {
		return nil, openError("inbox", errno, Config{})
	}
	in := &Inbox{newQueue(id, fmt.Sprintf("inbox (id %d)", id), true, Config{})}
	// The kernel notes who was last to receive, which from here on is this
	// process: so the inbox names its owner.
	if err := in.TrySend(mq.Message{Type: 1}); err == nil {
		_, err = in.TryReceive()
		if err == nil {
			return in, nil
		}
	}
	sys.MsgRemove(id)
	return nil, in.fail("new inbox", nil, sys.EAGAIN, "the new queue could not be used")
}

// Address returns "sysv:" and the id of the inbox.
func (in *Inbox) Address() string { return inboxScheme + strconv.Itoa(in.id) }

// OpenInbox opens the inbox with the given address for sending. An address that
// is not "sysv:" and the id of an inbox is refused with [mq.ErrNotInbox].
func (q *Queue) OpenInbox(address string) (mq.SendCloser, error) {
	refuse := func(kind error, detail string) (mq.SendCloser, error) {
		return nil, &mq.Error{Op: "open inbox", Queue: strconv.Quote(address), Kind: kind, Detail: detail}
	}
	digits, ok := strings.CutPrefix(address, inboxScheme)
	id, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil || digits != strconv.FormatInt(id, 10) || id < 0 { // the one way to write it
		return refuse(mq.ErrNotInbox, "the address is not sysv: and the decimal id of a queue")
	}
	ds, errno := sys.MsgStat(int(id))
	if errno == sys.EACCES { // an inbox need not be readable to those who reply
		ds, errno = statAny(int(id))
	}
	switch {
	case errno != 0:
		return refuse(fs.ErrNotExist, "no queue has this id")
	case !isInbox(ds):
		return refuse(mq.ErrNotInbox, "the queue with this id was not made for replies")
	}
	return newQueue(int(id), fmt.Sprintf("inbox (id %d)", id), false, Config{Access: mq.WriteOnly}), nil
}

func isInbox(ds sys.Msqid) bool {
	return ds.Key == uint32(Private) && fs.FileMode(ds.Mode)&inboxMark == inboxMark
}

// Check returns nil if the queue exists.
func (q *Queue) Check() error {
	if err := q.usable("check", true); err != nil {
		return err
	}
	if _, errno := sys.MsgStat(q.id); errno != 0 && errno != sys.EACCES {
		return q.errno("check", errno)
	}
	return nil
}

// RemoveDeadInboxes removes the inboxes whose process has ended, killed before
// it could remove its own, and returns their ids. It leaves those of other users
// that it may not remove, and those of processes that this one cannot see
// because they are in another pid namespace.
func RemoveDeadInboxes() ([]int, error) {
	var removed []int
	for s, err := range Queues() {
		if err != nil {
			return removed, err
		}
		if s.Key != Private || s.Mode&inboxMark != inboxMark || s.LastReceiver == 0 || ownerLives(s) {
			continue
		}
		if errno := sys.MsgRemove(s.ID); errno == 0 {
			removed = append(removed, s.ID)
		}
	}
	return removed, nil
}

// ownerLives reports whether the process that made an inbox may still run. A
// process that was started after the inbox was made has only inherited the pid.
func ownerLives(inbox Stat) bool {
	started, err := procfs.ProcessStart(os.DirFS("/proc"), inbox.LastReceiver)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return !started.After(inbox.Changed.Add(2 * time.Second)) // both are exact to a second
}
