package cli

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"github.com/spf13/cobra"

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

// The most that the kernel takes for some limits.
var mostOf = map[string]int{
	"kernel.msgmni":             32768, // 16777216 if the system was booted with ipcmni_extend
	"fs.mqueue.msg_default":     65536,
	"fs.mqueue.msg_max":         65536,
	"fs.mqueue.msgsize_default": 16 << 20,
	"fs.mqueue.msgsize_max":     16 << 20,
}

// sysctl returns the command that doubles a limit, as far as that goes.
func sysctl(name string, now int) string {
	most, ok := mostOf[name]
	if !ok {
		most = math.MaxInt32
	}
	if now >= most {
		return fmt.Sprintf("it is at the kernel's own limit, %d", most)
	}
	return fmt.Sprintf("sysctl -w %s=%d", name, min(2*now, most))
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
	line := func(name string, now int, used, what string) []string {
		return []string{name, strconv.Itoa(now), used, what, sysctl(name, now)}
	}
	largest := "-"
	for s, err := range sysv.Queues() {
		if err != nil {
			return nil, err
		}
		if n, _ := strconv.ParseInt(largest, 10, 64); s.Capacity > n {
			largest = strconv.FormatInt(s.Capacity, 10)
		}
	}
	return [][]string{
		line("kernel.msgmax", l.MaxMessage, "-", "bytes of one message (System V)"),
		line("kernel.msgmnb", l.DefaultCapacity, largest, "bytes of capacity of a queue; used: the largest"),
		line("kernel.msgmni", l.MaxQueues, strconv.Itoa(u.Queues), fmt.Sprintf("queues; in them %s of %d bytes", plural(u.Messages, "message"), u.Bytes)),
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
	line := func(name string, now int, used, what string) []string {
		return []string{name, strconv.Itoa(now), used, what, sysctl(name, now)}
	}
	limit, raise := "unlimited", "-"
	if l.UserBytes >= 0 {
		limit = strconv.FormatInt(l.UserBytes, 10)
		raise = fmt.Sprintf("prlimit --pid $$ --msgqueue=%d", 2*l.UserBytes)
	}
	return [][]string{
		line("fs.mqueue.msg_default", l.DefaultMessages, "-", "messages of a queue, unless it asks (POSIX)"),
		line("fs.mqueue.msg_max", l.MaxMessages, messages, "messages of a queue; used: the largest"),
		line("fs.mqueue.msgsize_default", l.DefaultMessageSize, "-", "bytes of one message, unless it asks"),
		line("fs.mqueue.msgsize_max", l.MaxMessageSize, size, "bytes of one message; used: the largest"),
		line("fs.mqueue.queues_max", l.MaxQueues, queues, "queues"),
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
