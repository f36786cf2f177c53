package jetstream

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
)

// Mode is how a queue uses JetStream. It is chosen when the queue is created
// and cannot be changed; the package documentation compares the two.
type Mode uint8

// The modes. The zero Mode is that of the queue, or LeaseMode for a queue that
// is created.
const (
	LeaseMode Mode = iota + 1 // leases; selects Any, or single types
	ClaimMode                 // every selector; no leases
)

// String returns "lease mode" or "claim mode".
func (m Mode) String() string {
	switch m {
	case LeaseMode:
		return "lease mode"
	case ClaimMode:
		return "claim mode"
	}
	return "invalid mode"
}

// Storage is where the servers keep messages.
type Storage uint8

// The kinds of storage. The zero Storage is that of the queue, or File for a
// queue that is created.
const (
	File   Storage = iota + 1 // on disk; see the caveats about power failures
	Memory                    // lost when all servers that have it have stopped
)

// String returns "file" or "memory".
func (s Storage) String() string {
	switch s {
	case File:
		return "file"
	case Memory:
		return "memory"
	}
	return "invalid storage"
}

// Defaults for a queue that is created.
const (
	DefaultMaxBytes = 64 << 20         // bytes
	DefaultAckWait  = 30 * time.Second // length of a lease
	DefaultIDWindow = 2 * time.Minute  // how long ids of messages are remembered
)

// Config configures how a queue is opened. The zero value, like a nil *Config, opens
// the queue as it is or creates it with the defaults below.
//
// Mode, Storage, MaxBytes, MaxMessages, Replicas, AckWait and IDWindow belong to the
// queue, not to the handle: they are for a queue that this call creates. An existing
// queue is opened as it is; [Queue.Stat] returns its settings, and [Queue.Set] changes
// them. Mode and Storage cannot be changed: if they are set here and the queue has
// others, opening fails with [mq.ErrInvalidConfig] and names both.
type Config struct {
	// Access is what this handle may do. The server does not know it; what a
	// user may do is in the server's configuration.
	Access mq.Access

	// Exclusive makes Open fail with fs.ErrExist if the queue exists.
	Exclusive bool

	// OpenOnly makes Open fail with fs.ErrNotExist if the queue does not exist.
	OpenOnly bool

	// Mode is LeaseMode or ClaimMode; 0 means LeaseMode.
	Mode Mode

	// Storage is File or Memory; 0 means File.
	Storage Storage

	// MaxBytes is the capacity in bytes as the server counts them: payload and
	// an overhead of about 100 bytes for each message, see [Queue.Overhead]; 0
	// means DefaultMaxBytes.
	MaxBytes int64

	// MaxMessages is the maximum number of messages in the queue; 0 means that
	// only MaxBytes limits it.
	MaxMessages int64

	// Replicas is how many servers of a cluster keep each message, 1 to 5. With 3,
	// one of them may fail. 0 means 3 in a cluster that has as many servers with
	// JetStream, and otherwise 1: a cluster is built so that one server may fail.
	Replicas int

	// AckWait is how long a lease lasts, 10 ms or more; 0 means DefaultAckWait.
	// In claim mode there are no leases, and it must be 0.
	AckWait time.Duration

	// IDWindow is how long the servers remember the id of a message after they have
	// stored it, and so how late a sender may repeat it, see [Queue.SendWith]; 0 means
	// DefaultIDWindow, the minimum. Each id takes about 100 bytes of their memory.
	IDWindow time.Duration

	// Domain is the JetStream domain that keeps the queue, such as "hub"; "" means that
	// of the connected server. A leaf node with its own domain has its own queues,
	// which may have the same names.
	Domain string

	// APIPrefix is where the JetStream API of another account is imported, such as
	// "js.hub.api"; "" means $JS.API. It excludes Domain.
	APIPrefix string

	// NATS is options for the connection that Open makes, such as
	// nats.UserCredentials and nats.Secure. They come after those of Open, and
	// may not bring back the reconnect buffer. One that fails is
	// mq.ErrInvalidConfig. The files of nats.UserCredentials, nats.RootCAs and
	// nats.ClientCert are read anew for each connection, so they may be replaced
	// while the program runs; what nats.Secure is given stays. While a dialer of
	// nats.SetCustomDialer dials, Open does not end with its context. OpenConn
	// refuses them.
	NATS []nats.Option
}

// maxName is the longest name of a queue, in bytes: the address of an inbox
// contains it, and is limited to 255.
const maxName = 128

// checkName returns an error unless name can name a queue.
func checkName(name string) error {
	bad := func(detail string) error {
		return &mq.Error{Op: "open", Queue: fmt.Sprintf("%q", name), Kind: mq.ErrInvalidConfig, Detail: detail}
	}
	switch i := strings.IndexFunc(name, notInNames); {
	case name == "":
		return bad("a queue needs a name")
	case len(name) > maxName:
		return bad(fmt.Sprintf("the name has %d bytes, the limit is %d", len(name), maxName))
	case i >= 0:
		return bad(fmt.Sprintf("%q cannot be in the name of a queue: use letters and digits of ASCII, - and _", []rune(name[i:])[0]))
	}
	return nil
}

func notInNames(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

// check returns a copy of cfg, or an error if it is contradictory or out of range.
func (cfg *Config) check(name string) (Config, error) {
	if err := checkName(name); err != nil {
		return Config{}, err
	}
	return cfg.checkValues(name)
}

// checkValues is check without the name.
func (cfg *Config) checkValues(name string) (Config, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	c := *cfg
	c.NATS = slices.Clone(c.NATS)
	bad := func(format string, args ...any) (Config, error) {
		return Config{}, &mq.Error{Op: "open", Queue: name, Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case !c.Access.CanReceive() && !c.Access.CanSend():
		return bad("Access = %d is none of ReadWrite, ReadOnly and WriteOnly", c.Access)
	case c.Exclusive && c.OpenOnly:
		return bad("Exclusive and OpenOnly contradict each other")
	case c.Mode > ClaimMode:
		return bad("Mode = %d is neither LeaseMode nor ClaimMode", c.Mode)
	case c.Storage > Memory:
		return bad("Storage = %d is neither File nor Memory", c.Storage)
	case c.MaxBytes < 0:
		return bad("MaxBytes = %d is negative; 0 is the default of %d", c.MaxBytes, DefaultMaxBytes)
	case c.MaxMessages < 0:
		return bad("MaxMessages = %d is negative; 0 is no limit", c.MaxMessages)
	case c.Replicas < 0 || c.Replicas > 5:
		return bad("Replicas = %d is not in 1 to 5; 0 is the default", c.Replicas)
	case c.AckWait < 0 || c.AckWait > 0 && c.AckWait < 10*time.Millisecond:
		return bad("AckWait = %v is less than 10ms; 0 is the default of %v", c.AckWait, DefaultAckWait)
	case c.Mode == ClaimMode && c.AckWait != 0:
		return bad("AckWait = %v: there are no leases in claim mode", c.AckWait)
	case c.IDWindow != 0 && c.IDWindow < DefaultIDWindow:
		return bad("IDWindow = %v is less than %v, which is the default", c.IDWindow, DefaultIDWindow)
	case c.Domain != "" && c.APIPrefix != "":
		return bad("Domain and APIPrefix exclude each other")
	case strings.ContainsAny(c.Domain, ". *>\t\r\n"):
		return bad("Domain = %q has a dot, a space or a wildcard", c.Domain)
	case !isSubject(c.APIPrefix):
		return bad("APIPrefix = %q is no subject: it has wildcards, spaces, or tokens that are empty", c.APIPrefix)
	}
	return c, nil
}

// isSubject reports whether s can begin a subject, or is empty.
func isSubject(s string) bool {
	return s == "" || !strings.ContainsAny(s, " *>\t\r\n") && !slices.Contains(strings.Split(strings.TrimSuffix(s, "."), "."), "")
}

// api returns what the subjects of the JetStream API begin with.
func (c *Config) api() string {
	switch {
	case c.Domain != "":
		return "$JS." + c.Domain + ".API."
	case c.APIPrefix != "":
		return strings.TrimSuffix(c.APIPrefix, ".") + "."
	}
	return "$JS.API."
}
