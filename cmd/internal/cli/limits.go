package cli

import (
	"cmp"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/limits"
	"ipcmq/mq/posix"
)

func limitsCommand() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "limits [flags]",
		Short: "Show the limits, how much is used, and how to raise each",
		Long: `Limits shows the limits of this IPC namespace and user, how much of each is used,
and the command that doubles it. A sysctl lasts until the system restarts; put it
into a file in /etc/sysctl.d to keep it. New values of kernel.msgmnb and fs.mqueue
apply to queues that are created later.

POSIX queues that were unlinked and are still open count too, if this user may see
the file descriptors of the processes that have them open.`,
		Example: `  ipcmq limits
  ipcmq limits --json | jq '.[] | select(.used > 0.8 * .now)'`,
		Args: cobra.NoArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write an array of objects; now is -1 for unlimited, and unknown values are left out")
	c.RunE = func(*cobra.Command, []string) error {
		l := collect.List()
		sysvRows, err1 := sysvLimits(l)
		posixRows, err2 := posixLimits(l)
		rows := append(sysvRows, posixRows...)
		var err error
		if asJSON {
			err = writeJSON(append([]limitRow{}, rows...))
		} else {
			lines := [][]string{{"LIMIT", "NOW", "USED", "OF WHAT", "RAISE"}}
			for _, r := range rows {
				lines = append(lines, r.cells())
			}
			err = write(os.Stdout, table(lines, 1, 2))
		}
		for _, e := range []error{err1, err2} {
			if e != nil {
				report(e)
				err = cmp.Or(err, errReported)
			}
		}
		return err
	}
	return c
}

// A limitRow is a limit and how much of it is used.
type limitRow struct {
	Limit string `json:"limit"`
	Now   int64  `json:"now"`            // -1 for unlimited
	Used  *int64 `json:"used,omitempty"` // nil if unknown or meaningless
	What  string `json:"of_what"`
	Raise string `json:"raise,omitempty"`
}

func (r limitRow) cells() []string {
	now, used, raise := strconv.FormatInt(r.Now, 10), "-", cmp.Or(r.Raise, "-")
	if r.Limit == collect.MsgqueueLimit && r.Now < 0 {
		now = "unlimited"
	}
	if r.Used != nil {
		used = known(*r.Used)
	}
	return []string{r.Limit, now, used, r.What, raise}
}

// limitOf is the row of a limit, given its value now.
func limitOf(l limits.Limit, now int, used *int64, what string) limitRow {
	return limitRow{l.Name, int64(now), used, what, l.Double(int64(now))}
}

func sysvLimits(l collect.Listing) ([]limitRow, error) {
	u, err := l.SysVUse()
	if err != nil {
		return nil, err
	}
	if l.SysVErr != nil {
		return nil, l.SysVErr
	}
	return []limitRow{
		limitOf(limits.MsgMax, u.MaxMessage, nil, "bytes of one message (System V)"),
		limitOf(limits.MsgMnb, u.DefaultCapacity, usedOf(u.Largest), "bytes of capacity of a new queue; used: the largest"),
		limitOf(limits.MsgMni, u.MaxQueues, usedOf(int64(u.Usage.Queues)), fmt.Sprintf("queues; in them %s of %d bytes", plural(u.Usage.Messages, "message"), u.Usage.Bytes)),
	}, nil
}

func posixLimits(listing collect.Listing) ([]limitRow, error) {
	l, err := posix.SystemLimits()
	if err != nil {
		return nil, err
	}
	var queues, messages, size, bytes *int64
	u, err := listing.PosixUse()
	if err == nil {
		queues, messages, size, bytes = usedOf(int64(u.Queues)), usedOf(int64(u.Messages)), usedOf(int64(u.Size)), usedOf(u.Bytes)
	}
	raise := ""
	if l.UserBytes >= 0 {
		raise = limits.DoubleMsgqueue(l.UserBytes, l.MaxUserBytes)
	}
	return []limitRow{
		limitOf(limits.MqMsgDefault, l.DefaultMessages, nil, "messages of a queue, if not given (POSIX)"),
		limitOf(limits.MqMsgMax, l.MaxMessages, messages, "messages of a queue; used: the largest"),
		limitOf(limits.MqMsgsizeDefault, l.DefaultMessageSize, nil, "bytes of one message, if not given"),
		limitOf(limits.MqMsgsizeMax, l.MaxMessageSize, size, "bytes of one message; used: the largest"),
		limitOf(limits.MqQueuesMax, l.MaxQueues, queues, "queues"),
		{collect.MsgqueueLimit, l.UserBytes, bytes, "bytes of all queues of a user", raise},
	}, err
}

// usedOf returns how much is used, or nil if that is not known.
func usedOf(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}
