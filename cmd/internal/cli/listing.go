package cli

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

// A row is what is known of a queue. What the kernel does not tell is -1.
type row struct {
	address address.Address

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

	LastSender   *process   `json:"last_sender,omitempty"`
	LastReceiver *process   `json:"last_receiver,omitempty"`
	LastSend     *time.Time `json:"last_send,omitempty"`
	LastReceive  *time.Time `json:"last_receive,omitempty"`
	Changed      time.Time  `json:"changed"`

	NotifyPID int      `json:"notify_pid,omitempty"` // POSIX
	Waiting   []waiter `json:"waiting,omitempty"`    // where it was asked for
}

// fill returns how full the queue is, 0 to 1; -1 if that is not known. A System
// V queue is full when its bytes are used up, or when it has as many messages as
// it may have bytes.
func (r row) fill() float64 {
	switch {
	case r.Kind == "posix" && r.MaxMessages > 0 && r.Messages >= 0:
		return float64(r.Messages) / float64(r.MaxMessages)
	case r.Kind == "sysv" && r.Capacity > 0:
		return float64(max(r.Messages, r.Bytes)) / float64(r.Capacity)
	}
	return -1
}

func sysvRow(s sysv.Stat) row {
	a := address.OfID(s.ID)
	if s.Key != sysv.Private {
		a = address.Address{Key: s.Key}
	}
	r := row{
		address: a, Address: a.String(), Kind: "sysv", Key: s.Key.String(), ID: &s.ID,
		Owner: userName(s.UID), UID: s.UID, GID: s.GID, Mode: octal(s.Mode), Inbox: s.IsInbox(),
		Messages: s.Messages, Bytes: s.Bytes, Capacity: s.Capacity, Changed: s.Changed,
	}
	if !s.LastSend.IsZero() {
		p := userAt(s.LastSender, s.LastSend)
		r.LastSender, r.LastSend = &p, &s.LastSend
	}
	if !s.LastReceive.IsZero() {
		p := userAt(s.LastReceiver, s.LastReceive)
		r.LastReceiver, r.LastReceive = &p, &s.LastReceive
	}
	return r
}

func posixRow(s posix.Stat) row {
	a := address.OfName(s.Name)
	r := row{
		address: a, Address: a.String(), Kind: "posix", Owner: userName(s.UID), UID: s.UID, GID: s.GID, Mode: octal(s.Mode), Inbox: s.IsInbox(),
		Messages: -1, Bytes: s.Bytes, Capacity: -1, Changed: s.Changed, NotifyPID: s.NotifyPID,
	}
	q, err := posix.Open(s.Name, &posix.Config{Access: mq.ReadOnly, OpenOnly: true})
	if errors.Is(err, fs.ErrPermission) {
		q, err = posix.Open(s.Name, &posix.Config{Access: mq.WriteOnly, OpenOnly: true})
	}
	if err != nil {
		return r
	}
	defer q.Close()
	if a, err := q.Attr(); err == nil {
		r.Messages, r.MaxMessages, r.MaxMessageSize = int64(a.Messages), int64(a.MaxMessages), int64(a.MaxMessageSize)
		r.Capacity = r.MaxMessages * r.MaxMessageSize
	}
	return r
}

// listQueues returns all queues, System V ones first by key and id, and what
// could not be listed.
func listQueues() (rows []row, problems []error) {
	for s, err := range sysv.Queues() {
		if err != nil {
			problems = append(problems, err)
			continue
		}
		rows = append(rows, sysvRow(s))
	}
	for s, err := range posix.Queues() {
		if err != nil {
			problems = append(problems, err)
			continue
		}
		rows = append(rows, posixRow(s))
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if a.Kind != b.Kind {
			return strings.Compare(b.Kind, a.Kind)
		}
		return strings.Compare(a.Address, b.Address)
	})
	return rows, problems
}

// wait adds who waits to rows.
func wait(rows []row) {
	all := waiters()
	for i := range rows {
		r := &rows[i]
		if r.Kind == "sysv" {
			r.Waiting = all["id:"+strconv.Itoa(*r.ID)]
			continue
		}
		r.Waiting = all[r.address.Name]
		for j := range r.Waiting {
			r.Waiting[j].Receives = r.Messages == 0
		}
	}
}

func octal(m fs.FileMode) string {
	return fmt.Sprintf("%04o", uint32(m.Perm()))
}

var userNames sync.Map // of uint32 to string

func userName(uid uint32) string {
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
