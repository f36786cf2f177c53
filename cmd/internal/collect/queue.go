package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// A Queue is what is known about a queue. Numbers that the kernel does not report are -1.
type Queue struct {
	Where address.Address `json:"-"`

	Address string `json:"address"` // as commands take it
	Kind    string `json:"kind"`    // "sysv" or "posix"
	Key     string `json:"key,omitempty"`
	ID      *int   `json:"id,omitempty"`

	Owner string `json:"owner"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Mode  string `json:"mode"`
	Inbox bool   `json:"inbox,omitempty"` // for the replies to a client's requests

	Messages       int64 `json:"messages"`
	Bytes          int64 `json:"bytes"`
	Capacity       int64 `json:"capacity"`                   // bytes of payload
	MaxMessages    int64 `json:"max_messages,omitempty"`     // POSIX
	MaxMessageSize int64 `json:"max_message_size,omitempty"` // POSIX

	LastSender   *Process   `json:"last_sender,omitempty"`
	LastReceiver *Process   `json:"last_receiver,omitempty"`
	LastSend     *time.Time `json:"last_send,omitempty"`
	LastReceive  *time.Time `json:"last_receive,omitempty"`
	Changed      time.Time  `json:"changed"`

	Leases *Leases `json:"leases,omitempty"` // nil if nothing was ever lent

	Large *Large `json:"large,omitempty"` // nil if it has no payload in shared memory

	NotifyPID int      `json:"notify_pid,omitempty"` // POSIX
	Waiting   []Waiter `json:"waiting,omitempty"`    // if Wait was called
}

// Fill returns how full the queue is, 0 to 1, or -1 if that is not known. A System V
// queue is full when its bytes are used up, or when it has as many messages as it may
// have bytes.
func (q Queue) Fill() float64 {
	switch {
	case q.Kind == Posix && q.MaxMessages > 0 && q.Messages >= 0:
		return float64(q.Messages) / float64(q.MaxMessages)
	case q.Kind == SysV && q.Capacity > 0:
		return float64(max(q.Messages, q.Bytes)) / float64(q.Capacity)
	}
	return -1
}

// CountWaiting counts who waits for a message, and for room.
func (q Queue) CountWaiting() (receive, send int) {
	for _, w := range q.Waiting {
		if w.Receives {
			receive++
		} else {
			send++
		}
	}
	return receive, send
}

// Has reports whether a text occurs in the queue's address or owner, or in a process
// that uses it, waits at it or holds messages of it, ignoring case.
func (q Queue) Has(text string) bool {
	in := func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(text)) }
	if text == "" || in(q.Address) || in(q.Owner) {
		return true
	}
	for _, p := range []*Process{q.LastSender, q.LastReceiver} {
		if p != nil && in(p.Command) {
			return true
		}
	}
	if q.Leases != nil && slices.ContainsFunc(q.Leases.Holders, func(h Holder) bool { return in(h.Command) }) {
		return true
	}
	return slices.ContainsFunc(q.Waiting, func(w Waiter) bool { return in(w.Command) })
}

// Kinds of queues.
const (
	SysV  = "sysv"
	Posix = "posix"
)

// OfSysV returns the queue that a Stat describes.
func OfSysV(s sysv.Stat) Queue { return ofSysV(s, processes{}) }

func ofSysV(s sysv.Stat, seen processes) Queue {
	a := address.OfID(s.ID)
	if s.Key != sysv.Private {
		a = address.Address{Key: s.Key}
	}
	q := Queue{
		Where: a, Address: a.String(), Kind: SysV, Key: s.Key.String(), ID: &s.ID,
		Owner: UserName(s.UID), UID: s.UID, GID: s.GID, Mode: Octal(s.Mode), Inbox: s.IsInbox(),
		Messages: s.Messages, Bytes: s.Bytes, Capacity: s.Capacity, Changed: s.Changed,
	}
	if !s.LastSend.IsZero() {
		p := seen.userAt(s.LastSender, s.LastSend)
		q.LastSender, q.LastSend = &p, &s.LastSend
	}
	if !s.LastReceive.IsZero() {
		p := seen.userAt(s.LastReceiver, s.LastReceive)
		q.LastReceiver, q.LastReceive = &p, &s.LastReceive
	}
	return q
}

// OfPosix returns the queue that a Stat describes. It opens the queue for the rest.
func OfPosix(s posix.Stat) Queue {
	// Blocking, because nothing waits: the poller would cost more than the look itself.
	c := posix.Config{Access: mq.ReadOnly, OpenOnly: true, Blocking: true}
	opened, err := posix.Open(s.Name, &c)
	if errors.Is(err, fs.ErrPermission) {
		c.Access = mq.WriteOnly
		opened, err = posix.Open(s.Name, &c)
	}
	if err != nil {
		return ofPosix(s)
	}
	defer opened.Close()
	return OfOpenPosix(s, opened)
}

// OfOpenPosix is OfPosix for an open queue.
func OfOpenPosix(s posix.Stat, opened *posix.Queue) Queue {
	q := ofPosix(s)
	if a, err := opened.Attr(); err == nil {
		q.Messages, q.MaxMessages, q.MaxMessageSize = int64(a.Messages), int64(a.MaxMessages), int64(a.MaxMessageSize)
		q.Capacity = q.MaxMessages * q.MaxMessageSize
	}
	return q
}

func ofPosix(s posix.Stat) Queue {
	a := address.OfName(s.Name)
	return Queue{
		Where: a, Address: a.String(), Kind: Posix, Owner: UserName(s.UID), UID: s.UID, GID: s.GID, Mode: Octal(s.Mode), Inbox: s.IsInbox(),
		Messages: -1, Bytes: s.Bytes, Capacity: -1, Changed: s.Changed, NotifyPID: s.NotifyPID,
	}
}

// Octal writes permissions.
func Octal(m fs.FileMode) string {
	return fmt.Sprintf("%04o", uint32(m.Perm()))
}

var userNames sync.Map // of uint32 to string

// UserName returns the name of a user, or the number.
func UserName(uid uint32) string {
	if name, ok := userNames.Load(uid); ok {
		return name.(string)
	}
	name := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	userNames.Store(uid, name)
	return name
}
