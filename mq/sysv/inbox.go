package sysv

import (
	"crypto/rand"
	"encoding/binary"
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

// The mark in the mode of an inbox. Modes that C programs give a queue without
// thinking of it, such as 0777 or decimal 777, have other bits.
const (
	inboxMark fs.FileMode = 0o611
	inboxMask fs.FileMode = 0o755 // the bits that the mark defines
)

// The schemes of addresses, which the id or the key follows.
const (
	inboxScheme = "sysv:"
	keyScheme   = "sysvkey:"
)

// The types of messages in an inbox.
const (
	replyType  = 1
	recordType = 2 // the owner's record, which stays at the head
)

// An inbox is a queue for replies, see [Queue.NewInbox]. It receives messages of
// type 1.
type inbox struct {
	*Queue
	address string
}

// NewInbox creates a queue for replies with the mode Config.InboxMode of q, and a random key if Config.InboxKeys is set. If
// the mode lets a group write, this is the group of q if the process is in it, also as a supplementary one, and otherwise
// its effective group. The inbox exists until it is removed: [RemoveDeadInboxes] finds those whose process has ended
// without removing them.
//
// The oldest message in an inbox is a record of its owner, and stays. It takes 40 bytes.
func (q *Queue) NewInbox() (mq.Inbox, error) {
	if err := q.usable("new inbox", true); err != nil {
		return nil, err
	}
	mode := q.inboxMode | inboxMark
	in, errno := q.makeInbox(0o600, mode, q.inboxGroup()) // so that nobody else can send before the record is there
	if errno == sys.EPERM || errno == sys.EINVAL {
		// The mode cannot be changed if kernel.msgmnb was lowered just now or the
		// ids of this user mean nothing in its namespace, but a new queue can have
		// it.
		in, errno = q.makeInbox(mode, mode, -1)
	}
	if errno == sys.EAGAIN {
		return nil, q.handle.Fail("new inbox", mq.ErrTooLarge, errno, fmt.Sprintf(
			"kernel.msgmnb or kernel.msgmax is less than the %d bytes of the record in an inbox; raise it with sysctl -w", recordSize))
	}
	if errno != 0 {
		return nil, openError("inbox", errno, Config{})
	}
	return in, nil
}

// inboxGroup returns the group to give an inbox, or -1 to leave it unchanged.
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
func (q *Queue) makeInbox(mode, final fs.FileMode, group int) (*inbox, sys.Errno) {
	key := Private
	if q.inboxKeys {
		key = randomKey()
	}
	id, errno := sys.Msgget(uint32(key), sys.IPC_CREAT|sys.IPC_EXCL|int(mode))
	for key != Private && errno == sys.EEXIST { // rarely: most keys are free
		key = randomKey()
		id, errno = sys.Msgget(uint32(key), sys.IPC_CREAT|sys.IPC_EXCL|int(mode))
	}
	if errno != 0 {
		return nil, errno
	}
	in := &inbox{newQueue(id, fmt.Sprintf("inbox (id %d)", id), true, Config{}), inboxScheme + strconv.Itoa(id)}
	if key != Private {
		in.address = keyScheme + key.String()
	}
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

// randomKey returns a key of 31 bits, which every language reads the same.
func randomKey() Key {
	var b [4]byte
	for {
		rand.Read(b[:])
		if k := Key(binary.NativeEndian.Uint32(b[:]) >> 1); k != Private {
			return k
		}
	}
}

// Address returns "sysv:" and the id of the inbox, or "sysvkey:" and its key.
func (in *inbox) Address() string { return in.address }

// OpenInbox opens the inbox with the given address for sending. An address that
// is neither "sysv:" and the id of an inbox nor "sysvkey:" and its key, as in
// sysvkey:0x0000002a, is refused with [mq.ErrNotInbox].
func (q *Queue) OpenInbox(address string) (mq.SendCloser, error) {
	refuse := func(kind error, detail string) (mq.SendCloser, error) {
		return nil, &mq.Error{Op: "open inbox", Queue: strconv.Quote(address), Kind: kind, Detail: detail}
	}
	id, errno, ok := findInbox(address)
	if !ok {
		return refuse(mq.ErrNotInbox, "the address is neither sysv: and the decimal id of a queue, nor sysvkey: and its key, 0x and 8 hexadecimal digits")
	}
	var ds sys.Msqid
	if errno == 0 {
		ds, errno = sys.MsgStat(id)
	}
	if errno == sys.EACCES { // those who reply need not be able to read an inbox
		ds, errno = statAny(id)
	}
	switch {
	case errno != 0:
		return refuse(fs.ErrNotExist, "no queue has this id or key")
	case !isInbox(ds):
		return refuse(mq.ErrNotInbox, "the queue with this id or key was not created for replies")
	}
	in := newQueue(id, fmt.Sprintf("inbox (id %d)", id), false, Config{Access: mq.WriteOnly})
	in.reserved = recordSize
	return &outlet{in}, nil
}

// findInbox returns the id of the queue that an address names. There is only one
// way to write each address.
func findInbox(address string) (id int, errno sys.Errno, ok bool) {
	if digits, ok := strings.CutPrefix(address, keyScheme); ok {
		n, err := strconv.ParseUint(strings.TrimPrefix(digits, "0x"), 16, 32)
		if err != nil || n == 0 || digits != Key(n).String() {
			return 0, 0, false
		}
		id, errno = sys.Msgget(uint32(n), 0)
		return id, errno, true
	}
	digits, ok := strings.CutPrefix(address, inboxScheme)
	n, err := strconv.ParseInt(digits, 10, 32)
	return int(n), 0, ok && err == nil && n >= 0 && digits == strconv.FormatInt(n, 10)
}

// An outlet is another program's inbox, to send to.
type outlet struct{ *Queue }

// Check reports whether anybody can still receive. See [mq.Exchange].
func (out *outlet) Check() error {
	err := out.Queue.Check()
	if err != nil {
		return err
	}
	if owner, e := ownerOf(out.id); e == nil && owner.Ended(procfs.Root) {
		err = out.handle.Fail("check", mq.ErrRemoved, nil, "the process that created the inbox has ended")
	}
	return err
}

func isInbox(ds sys.Msqid) bool {
	return fs.FileMode(ds.Mode)&inboxMask == inboxMark
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

// IsInbox reports whether the queue was created for replies, see
// [Queue.NewInbox].
func (s Stat) IsInbox() bool { return s.Mode&inboxMask == inboxMark }

// RemoveDeadInboxes removes the inboxes whose process has certainly ended, killed
// before it could remove them, and returns their ids. It leaves those of other
// users that it may not read, and those of processes that this one cannot judge
// because they are in another pid or time namespace, or /proc is not mounted. The
// error matches [errors.ErrUnsupported] if the kernel lacks MSG_COPY, without
// which an inbox's owner cannot be read.
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
// remove, and of those that it cannot judge; it removes none. It returns the
// same errors.
func DeadInboxes() (dead, unknown []int, err error) {
	for s, err := range Queues() {
		if err != nil {
			return dead, unknown, err
		}
		if !s.IsInbox() {
			continue
		}
		owner, err := ownerOf(s.ID) // the zero Process if it cannot be read
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
