package posix

import (
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"time"

	"ipcmq/internal/poll"
	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Config configures how a queue is opened. The zero value, like a nil *Config,
// opens the queue or creates it with mode 0600 and the system's default sizes.
type Config struct {
	// Access is what this handle may do: mq.ReadWrite, mq.ReadOnly or
	// mq.WriteOnly. The kernel checks it against the mode of an existing
	// queue.
	Access mq.Access

	// Mode is the permissions of a queue that is created; 0 means 0600. As
	// with files, the bits in the umask are cleared. Execute bits have no
	// meaning and are refused.
	Mode fs.FileMode

	// Exclusive makes Open fail with fs.ErrExist if the queue exists.
	Exclusive bool

	// OpenOnly makes Open fail with fs.ErrNotExist if the queue does not exist.
	OpenOnly bool

	// MaxMessages is how many messages a queue that is created can hold; 0
	// means fs.mqueue.msg_default (10 by default). Without CAP_SYS_RESOURCE it
	// may be up to fs.mqueue.msg_max (10 by default). An existing queue keeps
	// its own value; see [Queue.Attr].
	MaxMessages int

	// MaxMessageSize is the largest payload in bytes of a queue that is
	// created; 0 means fs.mqueue.msgsize_default (8192 by default). Without
	// CAP_SYS_RESOURCE it may be up to fs.mqueue.msgsize_max (8192 by default).
	MaxMessageSize int

	// Owners, if not empty, lists user ids. Unless the owner of the queue is
	// among them, opening fails with fs.ErrPermission. Any local user can
	// create a queue under any free name, with a mode that lets that user read
	// and forge what others send: to protect from that, list os.Geteuid() and
	// the users that the program trusts.
	Owners []int

	// InboxMode is the permissions of the inboxes that [Queue.NewInbox] creates; 0
	// means 0600. The bits in the umask are cleared. A server that runs as another
	// user, and not as root, needs write permission to reply: 0622; or 0620 if it
	// is in the group of the queue and this process is too, or otherwise if it is
	// in the effective group of this process.
	InboxMode fs.FileMode

	// Blocking makes calls wait in the kernel, with an OS thread, instead of in the
	// Go runtime's poller; if many wait on one handle, a few sleep in the kernel
	// and the others wait for their turn, see package ipcmq/mq/sysv. A waiting call
	// then returns some microseconds sooner, and more on a busy system; and waiting
	// calls, also those of several processes, are served in the order in which they
	// came. On 32-bit systems it needs Linux 5.1.
	Blocking bool

	// Spin is how long a receive polls an empty queue before it waits. 0 means 50 µs, or
	// not to poll with Blocking or on a machine with one processor; a negative Spin means
	// never. Waiting in the runtime's poller takes longer than the answer of a running
	// peer. While polling finds nothing, it is done less and less often, down to once in
	// 256 waits. No receive polls while another one waits.
	Spin time.Duration
}

// spin returns how long to poll.
func (c *Config) spin() time.Duration {
	if c.Spin == 0 && !c.Blocking && runtime.NumCPU() > 1 {
		return poll.For
	}
	return c.Spin
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
	bad := func(format string, args ...any) (Config, error) {
		return Config{}, &mq.Error{Op: "open", Queue: name, Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case !c.Access.CanReceive() && !c.Access.CanSend():
		return bad("Access = %d is not ReadWrite, ReadOnly or WriteOnly", c.Access)
	case c.Mode&^0o666 != 0:
		return bad("Mode = %v has bits other than read and write for owner, group and others (0666)", c.Mode)
	case c.InboxMode&^0o666 != 0:
		return bad("InboxMode = %v has bits other than read and write for owner, group and others (0666)", c.InboxMode)
	case c.Exclusive && c.OpenOnly:
		return bad("Exclusive and OpenOnly contradict each other")
	case c.MaxMessages < 0:
		return bad("MaxMessages = %d is negative; 0 means the system's default", c.MaxMessages)
	case c.MaxMessageSize < 0:
		return bad("MaxMessageSize = %d is negative; 0 means the system's default", c.MaxMessageSize)
	case c.MaxMessages > math.MaxInt32:
		return bad("MaxMessages = %d is more than any system allows", c.MaxMessages)
	case c.MaxMessageSize > math.MaxInt32:
		return bad("MaxMessageSize = %d bytes is more than any system allows", c.MaxMessageSize)
	case c.OpenOnly && (c.MaxMessages != 0 || c.MaxMessageSize != 0):
		return bad("MaxMessages and MaxMessageSize are for creating a queue, but OpenOnly is set")
	}
	return c, nil
}

// flags returns the access mode of open(2).
func (c *Config) flags() int {
	switch c.Access {
	case mq.ReadOnly:
		return sys.MQ_RDONLY
	case mq.WriteOnly:
		return sys.MQ_WRONLY
	}
	return sys.MQ_RDWR
}

// attr returns the sizes to create the queue with, or nil to leave both to the
// kernel, which accepts only both or none.
func (c *Config) attr() *sys.MqAttr {
	if c.MaxMessages == 0 && c.MaxMessageSize == 0 {
		return nil
	}
	a := &sys.MqAttr{MaxMessages: int64(c.MaxMessages), MaxMessageSize: int64(c.MaxMessageSize)}
	messages, size := defaults()
	if a.MaxMessages == 0 {
		a.MaxMessages = messages
	}
	if a.MaxMessageSize == 0 {
		a.MaxMessageSize = size
	}
	return a
}

// defaults returns the sizes that the kernel gives a queue by default.
func defaults() (messages, size int64) {
	l, err := procfs.MqueueLimits(procfs.Root)
	if err != nil {
		return 10, 8192
	}
	return min(l.MsgDefault, l.MsgMax), min(l.MsgsizeDefault, l.MsgsizeMax)
}
