package sysv

import (
	"fmt"
	"io/fs"
	"slices"
	"time"

	"ipcmq/internal/pool"
	"ipcmq/mq"
)

// Config configures how a queue is opened. The zero value, like a nil *Config,
// opens the queue or creates it with mode 0600.
type Config struct {
	// Access is what this handle may do: mq.ReadWrite, mq.ReadOnly or
	// mq.WriteOnly. The kernel checks it against the mode of an existing
	// queue.
	Access mq.Access

	// Mode is the permissions of a queue that is created; 0 means 0600. Unlike
	// a file's, they are not subject to the umask. Execute bits have no
	// meaning and are refused.
	Mode fs.FileMode

	// Exclusive makes Open fail with fs.ErrExist if the queue exists.
	Exclusive bool

	// OpenOnly makes Open fail with fs.ErrNotExist if the queue does not exist.
	OpenOnly bool

	// Capacity is how many bytes of payload a queue that is created can hold
	// (msg_qbytes); 0 means kernel.msgmnb (16384 by default). More than
	// kernel.msgmnb needs CAP_SYS_RESOURCE. It does not change an existing
	// queue; see [Queue.Set].
	Capacity int

	// Owners, if not empty, lists user ids. Unless both the owner and the
	// creator of the queue are among them, opening fails with fs.ErrPermission.
	// Any local user can create a queue under any free key, with a mode that
	// lets that user read and forge what others send: to protect from that,
	// list os.Geteuid() and the users that the program trusts.
	Owners []int

	// InboxMode is the permissions of the inboxes that [Queue.NewInbox] creates:
	// 0600, 0620, 0602 or 0622; 0 means 0600. A server that runs as another user,
	// and not as root, needs write permission to reply: 0622; or 0620 if it is in
	// the group of the queue and this process is too, or otherwise if it is in
	// the effective group of this process.
	InboxMode fs.FileMode

	// InboxKeys makes NewInbox create inboxes with a random key, for servers that
	// cannot open a queue by its id, like most in PHP, Python and Ruby.
	InboxKeys bool

	// Lease is how long a message stays with its holder before it is lent
	// again; 0 means 30 seconds.
	Lease time.Duration

	// MaxLeases is how many messages of the queue can be on lease at once, in all
	// processes together; 0 means 256, and 65,536 is the maximum. The value of the
	// first handle that leases holds as long as the queue exists. Each lease takes
	// kernel.msgmax bytes of memory (its value at that time), from its first use on
	// and as long as the queue exists, charged to the cgroup of the process that
	// used it first. Taking a lease looks at all others, so thousands cost time:
	// with 50,000 it takes a millisecond.
	MaxLeases int

	// Truncate, if not 0, is the most bytes of payload to receive: the rest of
	// a longer message is discarded, and Message.Truncated is set
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
		return bad("Access = %d is not ReadWrite, ReadOnly or WriteOnly", c.Access)
	case c.Mode&^0o666 != 0:
		return bad("Mode = %v has bits other than read and write for owner, group and others (0666)", c.Mode)
	case c.InboxMode&^0o022 != 0o600:
		return bad("InboxMode = %#o is not 0600, 0620, 0602 or 0622: others may write to an inbox, but not read it", c.InboxMode)
	case c.Exclusive && c.OpenOnly:
		return bad("Exclusive and OpenOnly contradict each other")
	case c.Capacity < 0:
		return bad("Capacity = %d is negative; 0 means the system's default", c.Capacity)
	case c.OpenOnly && c.Capacity != 0:
		return bad("Capacity = %d is for creating a queue, but OpenOnly is set; use Set", c.Capacity)
	case c.Lease < 0:
		return bad("Lease = %v is negative; 0 means 30 seconds", c.Lease)
	case c.MaxLeases < 0 || c.MaxLeases > pool.MaxSlots:
		return bad("MaxLeases = %d is not in 0 to %d; 0 means 256", c.MaxLeases, pool.MaxSlots)
	case c.Truncate < 0:
		return bad("Truncate = %d is negative; 0 receives messages whole", c.Truncate)
	}
	return c, nil
}

// accessBits is the part of an existing queue's mode that msgget checks.
func accessBits(a mq.Access) int {
	switch a {
	case mq.ReadOnly:
		return 0o400
	case mq.WriteOnly:
		return 0o200
	}
	return 0o600
}
