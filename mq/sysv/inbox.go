package sysv

import (
	"errors"
	"fmt"
	"io/fs"
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

// The mode of an inbox: what C programs give a queue that means nothing by it,
// such as 0777 or decimal 777, has other bits.
const (
	inboxMark fs.FileMode = 0o611
	inboxMask fs.FileMode = 0o755 // the bits that the mark says something of
)

const inboxScheme = "sysv:"

// The types of messages in an inbox.
const (
	replyType  = 1
	recordType = 2 // of the record of the owner, which stays at the head
)

// An inbox is a private queue for replies, see [Queue.NewInbox]. It receives
// messages of type 1.
type inbox struct{ *Queue }

// NewInbox creates a private queue for replies, with the mode Config.InboxMode
// of q. If that lets a group write, this is the group of q if the process is in
// it, also as a supplementary one, and otherwise its effective group. It lives
// until it is removed: [RemoveDeadInboxes] finds those whose process has ended
// without removing its own.
//
// The oldest message in an inbox says whose it is, and stays. It takes 40 bytes.
func (q *Queue) NewInbox() (mq.Inbox, error) {
	if err := q.usable("new inbox", true); err != nil {
		return nil, err
	}
	mode := q.inboxMode | inboxMark
	in, errno := makeInbox(0o600, mode, q.inboxGroup()) // so that nobody else can send before the record is there
	if errno == sys.EPERM || errno == sys.EINVAL {
		// What cannot be changed, since kernel.msgmnb was lowered at this moment or
		// the ids of this user mean nothing in its namespace, can be created.
		in, errno = makeInbox(mode, mode, -1)
	}
	if errno == sys.EAGAIN {
		return nil, q.handle.Fail("new inbox", mq.ErrTooLarge, errno, fmt.Sprintf(
			"kernel.msgmnb or kernel.msgmax is less than the %d bytes of the record in an inbox; raise them with sysctl -w", recordSize))
	}
	if errno != 0 {
		return nil, openError("inbox", errno, Config{})
	}
	return in, nil
}

// inboxGroup returns the group that an inbox is given, or -1 to leave it as it is.
func (q *Queue) inboxGroup() int {
	if q.inboxMode&0o020 == 0 {
		return -1
	}
	ds, errno := q.statAnyhow()
	if errno != 0 {
		return -1
	}
	if groups, err := os.Getgroups(); err != nil || !slices.Contains(groups, int(ds.GID)) {
		return -1
	}
	return int(ds.GID)
}

// makeInbox creates a queue, sends it the record of its owner, and changes its
// mode, and its group unless that is -1.
func makeInbox(mode, final fs.FileMode, group int) (*inbox, sys.Errno) {
	id, errno := sys.Msgget(uint32(Private), sys.IPC_CREAT|sys.IPC_EXCL|int(mode))
	if errno != 0 {
		return nil, errno
	}
	in := &inbox{newQueue(id, fmt.Sprintf("inbox (id %d)", id), true, Config{})}
	in.receiver.typ = replyType
	if err := in.TrySend(mq.Message{Type: recordType, Data: ownRecord()}); err != nil {
		sys.MsgRemove(id)
		return nil, sys.EAGAIN
	}
	in.reserved = recordSize
	if mode != final {
		ds, errno := sys.MsgStat(id)
		if errno == 0 {
			ds.Mode = uint32(final)
			if group >= 0 {
				ds.GID = uint32(group)
			}
			errno = sys.MsgSet(id, ds)
		}
		if errno != 0 {
			sys.MsgRemove(id)
			return nil, errno
		}
	}
	return in, 0
}

// Address returns "sysv:" and the id of the inbox.
func (in *inbox) Address() string { return inboxScheme + strconv.Itoa(in.id) }

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
	in := newQueue(int(id), "inbox (id "+digits+")", false, Config{Access: mq.WriteOnly})
	in.reserved = recordSize
	return &outlet{in}, nil
}

// An outlet is another program's inbox, to send to.
type outlet struct{ *Queue }

// Check is as [mq.Exchange] says.
func (out *outlet) Check() error {
	err := out.Queue.Check()
	if err != nil {
		return err
	}
	if owner, e := ownerOf(out.id); e == nil && owner.Ended(procfs.Root) {
		err = out.handle.Fail("check", mq.ErrRemoved, nil, "the process that made the inbox has ended")
	}
	return err
}

func isInbox(ds sys.Msqid) bool {
	return ds.Key == uint32(Private) && fs.FileMode(ds.Mode)&inboxMask == inboxMark
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

// IsInbox reports whether the queue was made for the replies to a client's
// requests, see [Queue.NewInbox].
func (s Stat) IsInbox() bool { return s.Key == Private && s.Mode&inboxMask == inboxMark }

// RemoveDeadInboxes removes the inboxes whose process has certainly ended, killed
// before it could remove its own, and returns their ids. It leaves those of other
// users that it may not read, and those of processes that this one cannot judge
// because they are in another pid or time namespace, or /proc is not there. The
// error matches [errors.ErrUnsupported] if the kernel lacks MSG_COPY, without
// which no inbox says whose it is.
func RemoveDeadInboxes() ([]int, error) {
	dead, _, err := DeadInboxes()
	var removed []int
	for _, id := range dead {
		if sys.MsgRemove(id) == 0 {
			removed = append(removed, id)
		}
	}
	return removed, err
}

// DeadInboxes returns the ids of the inboxes that [RemoveDeadInboxes] would
// remove, and of those that it cannot judge; it removes none. Its error is the
// same.
func DeadInboxes() (dead, unknown []int, err error) {
	for s, err := range Queues() {
		if err != nil {
			return dead, unknown, err
		}
		if !s.IsInbox() {
			continue
		}
		owner, err := ownerOf(s.ID) // nobody, if it cannot be read
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return dead, unknown, err
		case errors.Is(err, mq.ErrRemoved):
			continue // meanwhile
		}
		switch ended, known := owner.Judge(procfs.Root); {
		case ended:
			dead = append(dead, s.ID)
		case !known:
			unknown = append(unknown, s.ID)
		}
	}
	return dead, unknown, nil
}
