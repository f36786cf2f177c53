package cli

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func createCommand() *cobra.Command {
	mode := createMode{mode: 0o600}
	capacity := byteFlag(0)
	messages, size := 0, byteFlag(0)
	exclusive := false
	var remote remoteChoices
	c := &cobra.Command{
		Use:   "create ADDR [flags]",
		Short: "Create a queue, unless it exists",
		Long: `Create creates a queue and prints its address. A queue that exists already stays as
it is; with --exclusive that is an error.

Sizes may be given as 65536, 64K or 1M.

` + jetstreamHelp + ` It has
a mode instead of permissions. With --mode lease, the default, receivers can lease
messages, so that no message is lost when they die; with --mode claim, every selector
of ipcmq recv works. Its capacity, 64M by default, counts about 100 bytes per message in
addition to the payload; --max-messages limits the number of messages too.`,
		Example: `  ipcmq create 42
  ipcmq create 0x2a --mode 0660 --capacity 1M
  ipcmq create /jobs --max-messages 10 --max-message-size 4K --exclusive
  ipcmq create ftok:/etc/app.conf,A
  ipcmq create js:orders --replicas 3 --capacity 1G --server nats://10.0.0.5:4222`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().Var(&mode, "mode", "permissions (POSIX: less the umask); JetStream: lease or claim")
	c.Flags().Var(&capacity, "capacity", "bytes it can hold (System V: payload, default kernel.msgmnb; JetStream: 64M)")
	c.Flags().IntVar(&messages, "max-messages", 0, "messages that it can hold (POSIX, default: fs.mqueue.msg_default; JetStream)")
	c.Flags().Var(&size, "max-message-size", "bytes of its largest message (POSIX; default: fs.mqueue.msgsize_default)")
	c.Flags().BoolVar(&exclusive, "exclusive", false, "fail if the queue exists")
	remote.add(c)
	servers := serverFlag(c)
	c.RunE = servers.at(func(c *cobra.Command, args []string) error {
		a, err := servers.parse(args[0])
		if err != nil {
			return err
		}
		if a.Kind == address.JetStream {
			if size != 0 {
				return usagef("a queue on JetStream has a --capacity and --max-messages, not --max-message-size: max_payload of the server limits messages")
			}
			if c.Flags().Changed("mode") && mode.remote == 0 {
				return usagef("--mode %v: a queue on JetStream has no permissions, its mode is lease or claim; the server controls who may use it", &mode.mode)
			}
			cfg := jetstream.Config{Exclusive: exclusive, Mode: mode.remote, MaxBytes: int64(capacity), MaxMessages: int64(messages)}
			return servers.create(c.Context(), a, remote.in(cfg))
		}
		if err := remote.refuse(c, a); err != nil {
			return err
		}
		switch {
		case mode.remote != 0:
			return usagef("--mode %v is for queues on JetStream; %v has permissions, such as 0660", &mode, a)
		case a.Kind == address.ID:
			return usagef("%v: the kernel chooses ids; create a queue with a key or a name", a)
		case a.Kind == address.Name && capacity != 0:
			return usagef("a POSIX queue has --max-messages and --max-message-size, not --capacity")
		case a.IsSysV() && (messages != 0 || size != 0):
			return usagef("a System V queue has a --capacity, not --max-messages and --max-message-size")
		}
		if a.Kind == address.Name {
			q, err := posix.Open(a.Name, &posix.Config{Mode: fs.FileMode(mode.mode), Exclusive: exclusive, MaxMessages: messages, MaxMessageSize: int(size)})
			if err != nil {
				return err
			}
			defer q.Close()
			return printLine("%s %s", madeOrFound(q.Created()), a)
		}
		q, err := sysv.Open(a.Key, &sysv.Config{Mode: fs.FileMode(mode.mode), Exclusive: exclusive, Capacity: int(capacity)})
		if err != nil {
			return err
		}
		defer q.Close()
		return printLine("%s %s id:%d", madeOrFound(q.Created()), a, q.ID())
	})
	return c
}

func madeOrFound(created bool) string {
	if created {
		return "created"
	}
	return "exists"
}

// modeFlag is a flag for permissions in octal.
type modeFlag fs.FileMode

func (m *modeFlag) Type() string { return "octal" }
func (m *modeFlag) String() string {
	if *m == 0 { // none was given
		return ""
	}
	return collect.Octal(fs.FileMode(*m))
}

func (m *modeFlag) Set(s string) error {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n == 0 || n&^0o666 != 0 {
		return fmt.Errorf("it must be octal, read and write for owner, group and others, such as 0660")
	}
	*m = modeFlag(n)
	return nil
}

// byteFlag is a flag for a number of bytes.
type byteFlag int64

func (b *byteFlag) Type() string { return "bytes" }
func (b *byteFlag) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

func (b *byteFlag) Set(s string) error {
	digits, shift := s, 0
	if n := len(s); n > 1 {
		switch s[n-1] {
		case 'k', 'K':
			digits, shift = s[:n-1], 10
		case 'm', 'M':
			digits, shift = s[:n-1], 20
		case 'g', 'G':
			digits, shift = s[:n-1], 30
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt32>>shift {
		return fmt.Errorf("it must be a number of bytes from 1 to 2147483647, such as 65536, 64K or 1M")
	}
	*b = byteFlag(n << shift)
	return nil
}
