package cli

import (
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func setCommand() *cobra.Command {
	var mode modeFlag
	var capacity byteFlag
	owner := ""
	c := &cobra.Command{
		Use:   "set ADDR [flags]",
		Short: "Change mode, owner or capacity of a System V queue",
		Long: `Set changes a System V queue. It needs the rights of its owner or creator, and a
capacity above kernel.msgmnb those of root. A capacity below what waits in the
queue loses nothing: senders wait until there is room again.

The sizes of a POSIX queue are fixed when it is created. Its mode and owner are
those of its file: chmod and chown /dev/mqueue/NAME.`,
		Example: `  ipcmq set 42 --capacity 1M
  ipcmq set 0x2a --mode 0660 --owner www-data:www-data`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAddress,
	}
	c.Flags().Var(&mode, "mode", "permissions")
	c.Flags().StringVar(&owner, "owner", "", "USER, USER:GROUP or :GROUP, by name or number")
	c.Flags().Var(&capacity, "capacity", "bytes of payload that it can hold, such as 65536, 64K or 1M")
	c.MarkFlagsOneRequired("mode", "owner", "capacity")
	c.RunE = func(c *cobra.Command, args []string) error {
		a, err := parseAddress(args[0])
		if err != nil {
			return err
		}
		if a.posix() {
			return usagef("the sizes of a POSIX queue are fixed when it is created; its mode and owner are those of its file: chmod, chown /dev/mqueue%s", a)
		}
		uid, gid, err := parseOwner(owner)
		if err != nil {
			return err
		}
		q, err := openWeakly(a)
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
	}
	return c
}

// openWeakly opens a System V queue whatever its mode lets this user do: an
// owner may change and remove what he may not read.
func openWeakly(a address) (*sysv.Queue, error) {
	q, err := a.open(mq.ReadOnly, false)
	if err != nil {
		var other error
		if q, other = a.open(mq.WriteOnly, false); other != nil {
			return nil, err
		}
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
