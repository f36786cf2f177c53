package cli

import (
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func setCommand() *cobra.Command {
	var mode modeFlag
	var capacity byteFlag
	owner := ""
	messages, replicas := 0, 0
	c := &cobra.Command{
		Use:   "set ADDR [flags]",
		Short: "Change mode, owner or capacity of a queue",
		Long: `Set changes a queue. It needs the rights of its owner or, for System V, its creator;
a capacity above kernel.msgmnb needs those of root. A capacity below the size of the
waiting messages loses nothing: senders wait until there is room again.

The sizes of a POSIX queue are fixed when it is created.

` + jetstreamHelp + ` Its
capacity, maximum of messages and replicas can change.`,
		Example: `  ipcmq set 42 --capacity 1M
  ipcmq set 0x2a --mode 0660 --owner www-data:www-data
  ipcmq set /jobs --mode 0660
  ipcmq set js:orders --replicas 3 --capacity 1G`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAnyAddress,
	}
	c.Flags().Var(&mode, "mode", "permissions")
	c.Flags().StringVar(&owner, "owner", "", "USER, USER:GROUP or :GROUP, by name or number")
	c.Flags().Var(&capacity, "capacity", "bytes of payload that it can hold, such as 65536, 64K or 1M (System V, JetStream)")
	c.Flags().IntVar(&messages, "max-messages", 0, "messages that it can hold; 0 for no limit other than its capacity (JetStream)")
	c.Flags().IntVar(&replicas, "replicas", 0, "number of servers that keep each message, 1 to 5 (JetStream)")
	servers := serverFlag(c)
	c.MarkFlagsOneRequired("mode", "owner", "capacity", "max-messages", "replicas")
	c.RunE = servers.at(func(c *cobra.Command, args []string) error {
		a, err := servers.parse(args[0])
		given := c.Flags().Changed
		switch remote := a.Kind == address.JetStream; {
		case err != nil:
			return err
		case remote && (given("mode") || given("owner")):
			return usagef("a queue on JetStream has neither owner nor permissions, and keeps its mode; the server controls who may use it")
		case remote:
			return servers.change(c.Context(), a, func(s *jetstream.Settings) {
				if given("capacity") {
					s.MaxBytes = int64(capacity)
				}
				if given("max-messages") {
					s.MaxMessages = int64(messages)
				}
				if given("replicas") {
					s.Replicas = replicas
				}
			})
		case given("replicas"):
			return usagef("--replicas is for queues on JetStream, such as js:orders; %v is a kernel queue", a)
		case given("max-messages") && a.Kind != address.Name:
			return usagef("a System V queue has a --capacity, not --max-messages")
		}
		if a.Kind == address.Name && (capacity != 0 || given("max-messages")) {
			return usagef("the sizes of a POSIX queue are fixed when it is created")
		}
		uid, gid, err := parseOwner(owner)
		if err != nil {
			return err
		}
		if a.Kind == address.Name {
			return setPosix(a, fs.FileMode(mode), uid, gid)
		}
		q, err := openSysv(a)
		if err != nil {
			return err
		}
		defer q.Close()
		return q.Set(func(s *sysv.Settings) {
			if mode != 0 {
				s.Mode = fs.FileMode(mode)
			}
			if capacity != 0 {
				s.Capacity = int64(capacity)
			}
			if uid >= 0 {
				s.UID = uint32(uid)
			}
			if gid >= 0 {
				s.GID = uint32(gid)
			}
		})
	})
	return c
}

// setPosix changes a POSIX queue; a mode of 0 and ids of -1 mean no change.
func setPosix(a address.Address, mode fs.FileMode, uid, gid int64) error {
	q, err := openForOwner(a)
	if err != nil {
		return err
	}
	defer q.Close()
	return q.(*posix.Queue).Set(func(s *posix.Settings) {
		if mode != 0 {
			s.Mode = mode
		}
		if uid >= 0 {
			s.UID = uint32(uid)
		}
		if gid >= 0 {
			s.GID = uint32(gid)
		}
	})
}

// openForOwner opens a queue whatever its mode allows: owners may change and remove
// queues that they may not read.
func openForOwner(a address.Address) (mq.Exchange, error) {
	q, err := open(a, mq.ReadOnly, false)
	if err != nil {
		if q, other := open(a, mq.WriteOnly, false); other == nil {
			return q, nil
		}
	}
	return q, err
}

// openSysv is openForOwner for a System V queue.
func openSysv(a address.Address) (*sysv.Queue, error) {
	q, err := openForOwner(a)
	if err != nil {
		return nil, err
	}
	return q.(*sysv.Queue), nil
}

// parseOwner returns the ids that s names, -1 for those it leaves out.
func parseOwner(s string) (uid, gid int64, err error) {
	name, group, _ := strings.Cut(s, ":")
	uid, gid = -1, -1
	if name != "" {
		if u, e := user.Lookup(name); e == nil {
			name = u.Uid
		}
		if uid, err = parseID(name, "user"); err != nil {
			return
		}
	}
	if group != "" {
		if g, e := user.LookupGroup(group); e == nil {
			group = g.Gid
		}
		gid, err = parseID(group, "group")
	}
	return
}

func parseID(s, what string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 1<<32-1 {
		return 0, usageError{fmt.Errorf("there is no %s %q", what, s)}
	}
	return int64(n), nil
}
