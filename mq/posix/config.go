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

// Config says how to open a queue. The zero value, like a nil *Config, opens
// the queue or creates it with mode 0600 and the sizes that the system gives.
type Config struct {
	// Access is what this handle is for: mq.ReadWrite, mq.ReadOnly or
	// mq.WriteOnly. The kernel checks it against the mode of a queue that
	// exists.
	Access mq.Access

	// Mode is the permissions of a queue that this call creates; 0 means 0600.
	// As with files, those in the umask are left out. Execute bits have no
	// meaning and are refused.
	Mode fs.FileMode

	// Exclusive makes Open fail with fs.ErrExist if the queue exists.
	Exclusive bool

	// OpenOnly makes Open fail with fs.ErrNotExist if the queue does not exist.
	OpenOnly bool

	// MaxMessages is how many messages a queue that this call creates can hold;
	// 0 means fs.mqueue.msg_default (10 by default). Without CAP_SYS_RESOURCE
	// it may be up to fs.mqueue.msg_max (10 by default). What a queue that
	// exists can hold does not change; see [Queue.Attr].
	MaxMessages int

	// MaxMessageSize is the largest payload in bytes of a queue that this call
	// creates; 0 means fs.mqueue.msgsize_default (8192 by default). Without
	// CAP_SYS_RESOURCE it may be up to fs.mqueue.msgsize_max (8192 by default).
	MaxMessageSize int

	// Owners, if not empty, lists the user ids that the owner of the queue must
	// be among; otherwise opening fails with fs.ErrPermission. Any local user
	// can create a queue under any free name, with a mode that lets him read
	// and forge what others send: a program that must not fall for that lists
	// os.Geteuid() and those it trusts.
	Owners []int

	// InboxMode is the permissions of the inboxes that [Queue.NewInbox] makes; 0
	// means 0600. Those in the umask are left out. A server that runs as
	// another user, and not as root, needs write permission to reply: 0622, or 0620
	// for one in the group of the queue, if this process is in it too, or else in
	// the effective group of this process.
	InboxMode fs.FileMode

	// Blocking makes calls that wait do it in the kernel, with an OS thread,
	// instead of in the Go runtime's poller; where many wait on one handle, a few
	// sleep in the kernel and the others wait for their turn, see package
	// ipcmq/mq/sysv. A waiting call then returns sooner, by some microseconds, and
	// more so on a busy system; and waiting calls, also of several processes, are
	// served in the order in which they came. On 32-bit systems it needs Linux 5.1.
	Blocking bool

	// Spin is how long a receive polls an empty queue before it waits; 0 means 50 µs,
	// but with Blocking, or on a machine with one processor, not at all, and less than 0
	// never. The way through the runtime's poller takes longer than the answer of a peer
	// that runs. Where polling finds nothing, it is done ever more rarely, down to once in
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
		return bad("Access = %d is none of ReadWrite, ReadOnly and WriteOnly", c.Access)
	case c.Mode&^0o666 != 0:
		return bad("Mode = %v has bits other than read and write for owner, group and others (0666)", c.Mode)
	case c.InboxMode&^0o666 != 0:
		return bad("InboxMode = %v has bits other than read and write for owner, group and others (0666)", c.InboxMode)
	case c.Exclusive && c.OpenOnly:
		return bad("Exclusive and OpenOnly contradict each other")
	case c.MaxMessages < 0:
		return bad("MaxMessages = %d is negative; 0 is the default of the system", c.MaxMessages)
	case c.MaxMessageSize < 0:
		return bad("MaxMessageSize = %d is negative; 0 is the default of the system", c.MaxMessageSize)
	case c.MaxMessages > math.MaxInt32:
		return bad("MaxMessages = %d is more than any system allows", c.MaxMessages)
	case c.MaxMessageSize > math.MaxInt32:
		return bad("MaxMessageSize = %d bytes is more than any system allows", c.MaxMessageSize)
	case c.OpenOnly && (c.MaxMessages != 0 || c.MaxMessageSize != 0):
		return bad("MaxMessages and MaxMessageSize apply to a queue that is created, but OpenOnly is set")
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
// kernel, which takes both or none.
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

// defaults returns the sizes that the kernel gives to a queue.
func defaults() (messages, size int64) {
	l, err := procfs.MqueueLimits(procfs.Root)
	if err != nil {
		return 10, 8192
	}
	return min(l.MsgDefault, l.MsgMax), min(l.MsgsizeDefault, l.MsgsizeMax)
}
