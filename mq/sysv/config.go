package sysv

import (
	"fmt"
	"io/fs"
	"slices"
	"time"

	"ipcmq/internal/pool"
	"ipcmq/mq"
)

// Config says how to open a queue. The zero value, like a nil *Config, opens
// the queue or creates it with mode 0600.
type Config struct {
	// Access is what this handle is for: mq.ReadWrite, mq.ReadOnly or
	// mq.WriteOnly. The kernel checks it against the mode of a queue that
	// exists.
	Access mq.Access

	// Mode is the permissions of a queue that this call creates; 0 means 0600.
	// Unlike a file's, they are not subject to the umask. Execute bits have no
	// meaning and are refused.
	Mode fs.FileMode

	// Exclusive makes Open fail with fs.ErrExist if the queue exists.
	Exclusive bool

	// OpenOnly makes Open fail with fs.ErrNotExist if the queue does not exist.
	OpenOnly bool

	// Capacity is the bytes of payload that a queue which this call creates can
	// hold (msg_qbytes); 0 means kernel.msgmnb (16384 by default). More than
	// kernel.msgmnb needs CAP_SYS_RESOURCE. It does not change a queue that
	// exists; see [Queue.Set].
	Capacity int

	// Owners, if not empty, lists the user ids that the owner and the creator
	// of the queue must both be among; otherwise opening fails with
	// fs.ErrPermission. Any local user can create a queue under any free key,
	// with a mode that lets him read and forge what others send: a program that
	// must not fall for that lists os.Geteuid() and those it trusts.
	Owners []int

	// InboxMode is the permissions of the inboxes that [Queue.NewInbox] makes:
	// 0600, 0620, 0602 or 0622; 0 means 0600. A server that runs as another user,
	// and not as root, needs write permission to reply: 0622, or 0620 for one in
	// the group of the queue, if this process is in it too, or else in the
	// effective group of this process.
	InboxMode fs.FileMode

	// InboxKeys has NewInbox give inboxes a random key besides their id, for servers
	// that can open no queue by its id, as most of those in PHP, Python and Ruby.
	InboxKeys bool

	// Lease is how long a message stays with who has it on lease, before it is
	// lent again; 0 means 30 seconds.
	Lease time.Duration

	// MaxLeases is how many messages of the queue can be on lease at once, in
	// all processes together; 0 means 256. The first who leases decides, for as
	// long as the queue exists; 65,536 are the most. Each takes memory as large as
	// kernel.msgmax is then, from when it is used first; the cgroup of the process
	// that does pays for it, as long as the queue exists. A lease looks at all that
	// are out, so that thousands cost time: with 50,000 it takes a millisecond.
	MaxLeases int

	// Truncate, if not 0, is the most bytes of payload to receive: of a longer
	// message the rest is discarded, and Message.Truncated is set
	// (MSG_NOERROR). By default messages are received whole, however long.
	Truncate int
}

// check returns cfg with its defaults filled in.
func (cfg *Config) check(name string) (Config, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	c := *cfg
	c.Owners = slices.Clone(c.Owners)
	if c.Mode == 0 {
		c.Mode = 0o600
	}
	if c.InboxMode == 0 {
		c.InboxMode = 0o600
	}
	if c.Lease == 0 {
		c.Lease = 30 * time.Second
	}
	if c.MaxLeases == 0 {
		c.MaxLeases = 256
	}
	bad := func(format string, args ...any) (Config, error) {
		return Config{}, &mq.Error{Op: "open", Queue: name, Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case !c.Access.CanReceive() && !c.Access.CanSend():
		return bad("Access = %d is none of ReadWrite, ReadOnly and WriteOnly", c.Access)
	case c.Mode&^0o666 != 0:
		return bad("Mode = %v has bits other than read and write for owner, group and others (0666)", c.Mode)
	case c.InboxMode&^0o022 != 0o600:
		return bad("InboxMode = %#o is none of 0600, 0620, 0602 and 0622: others may write to an inbox, and not read", c.InboxMode)
	case c.Exclusive && c.OpenOnly:
		return bad("Exclusive and OpenOnly contradict each other")
	case c.Capacity < 0:
		return bad("Capacity = %d is negative; 0 is the default of the system", c.Capacity)
	case c.OpenOnly && c.Capacity != 0:
		return bad("Capacity = %d applies to a queue that is created, but OpenOnly is set; use Set", c.Capacity)
	case c.Lease < 0:
		return bad("Lease = %v is negative; 0 is 30 seconds", c.Lease)
	case c.MaxLeases < 0 || c.MaxLeases > pool.MaxSlots:
		return bad("MaxLeases = %d is not in 0 to %d; 0 is 256", c.MaxLeases, pool.MaxSlots)
	case c.Truncate < 0:
		return bad("Truncate = %d is negative; 0 receives messages whole", c.Truncate)
	}
	return c, nil
}

// accessBits is what msgget checks of an existing queue's mode.
func accessBits(a mq.Access) int {
	switch a {
	case mq.ReadOnly:
		return 0o400
	case mq.WriteOnly:
		return 0o200
	}
	return 0o600
}
