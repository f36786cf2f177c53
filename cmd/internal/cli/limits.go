package cli

import (
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"ipcmq/internal/limits"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func limitsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "limits",
		Short: "Show the limits, what is used of them, and how to raise each",
		Long: `Limits shows the limits of this IPC namespace and user, what is used of them now,
and the command that doubles each. A sysctl holds until the system restarts; put
it into a file in /etc/sysctl.d to keep it. New values of kernel.msgmnb and
fs.mqueue hold for queues that are created later.`,
		Example: `  ipcmq limits`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			lines := [][]string{{"LIMIT", "NOW", "USED", "OF WHAT", "RAISE"}}
			sysvLines, err1 := sysvLimits()
			posixLines, err2 := posixLimits()
			lines = append(append(lines, sysvLines...), posixLines...)
			if err := write(os.Stdout, table(lines, 1, 2)); err != nil {
				return err
			}
			var result error
			for _, err := range []error{err1, err2} {
				if err != nil {
					report(err)
					result = errTold
				}
			}
			return result
		},
	}
}

// limitLine is the line of a limit, given its value now.
func limitLine(l limits.Limit, now int, used, what string) []string {
	return []string{l.Name, strconv.Itoa(now), used, what, l.Double(int64(now))}
}

func sysvLimits() ([][]string, error) {
	l, err := sysv.SystemLimits()
	if err != nil {
		return nil, err
	}
	u, err := sysv.SystemUsage()
	if err != nil {
		return nil, err
	}
	largest := int64(-1)
	for s, err := range sysv.Queues() {
		if err != nil {
			return nil, err
		}
		largest = max(largest, s.Capacity)
	}
	return [][]string{
		limitLine(limits.MsgMax, l.MaxMessage, "-", "bytes of one message (System V)"),
		limitLine(limits.MsgMnb, l.DefaultCapacity, known(largest), "bytes of capacity of a queue; used: the largest"),
		limitLine(limits.MsgMni, l.MaxQueues, strconv.Itoa(u.Queues), fmt.Sprintf("queues; in them %s of %d bytes", plural(u.Messages, "message"), u.Bytes)),
	}, nil
}

func posixLimits() ([][]string, error) {
	l, err := posix.SystemLimits()
	if err != nil {
		return nil, err
	}
	queues, messages, size, bytes := "-", "-", "-", "-"
	if u, err := posixUsage(); err == nil {
		queues, messages, size, bytes = strconv.Itoa(u.queues), strconv.Itoa(u.messages), strconv.Itoa(u.size), strconv.FormatInt(u.bytes, 10)
	}
	limit, raise := "unlimited", "-"
	if l.UserBytes >= 0 {
		limit = strconv.FormatInt(l.UserBytes, 10)
		raise = limits.DoubleMsgqueue(l.UserBytes, l.MaxUserBytes)
	}
	return [][]string{
		limitLine(limits.MqMsgDefault, l.DefaultMessages, "-", "messages of a queue, unless it asks (POSIX)"),
		limitLine(limits.MqMsgMax, l.MaxMessages, messages, "messages of a queue; used: the largest"),
		limitLine(limits.MqMsgsizeDefault, l.DefaultMessageSize, "-", "bytes of one message, unless it asks"),
		limitLine(limits.MqMsgsizeMax, l.MaxMessageSize, size, "bytes of one message; used: the largest"),
		limitLine(limits.MqQueuesMax, l.MaxQueues, queues, "queues"),
		{"RLIMIT_MSGQUEUE", limit, bytes, "bytes of all queues of a user", raise},
	}, nil
}

// posixUse is what is used of the limits of POSIX queues.
type posixUse struct {
	queues, messages, size int   // how many; the largest
	bytes                  int64 // of RLIMIT_MSGQUEUE, by the queues that this user owns
}

func posixUsage() (u posixUse, err error) {
	for s, err := range posix.Queues() {
		if err != nil && u.queues == 0 {
			return u, err
		} else if err != nil {
			break // about a single queue, which counts all the same
		}
		r := posixRow(s)
		u.queues++
		u.messages = max(u.messages, int(r.MaxMessages))
		u.size = max(u.size, int(r.MaxMessageSize))
		if int(s.UID) == os.Geteuid() {
			u.bytes += posix.Footprint(int(r.MaxMessages), int(r.MaxMessageSize))
		}
	}
	return u, nil
}
