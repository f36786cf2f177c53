package procfs

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Mqueue is what a file of the mqueue file system reports about its queue.
type Mqueue struct {
	Size      int64 // bytes of payload in the queue
	NotifyPID int   // the process registered with mq_notify(3), or 0
}

// ReadMqueue reads the file of a queue in mount, a mounted mqueue file system.
func ReadMqueue(mount fs.FS, name string) (Mqueue, error) {
	b, err := fs.ReadFile(mount, name)
	if err != nil {
		return Mqueue{}, err
	}
	q, err := ParseMqueue(string(b))
	if err != nil {
		return Mqueue{}, fmt.Errorf("mqueue %s: %w", name, err)
	}
	return q, nil
}

// ParseMqueue reads a line such as
// "QSIZE:129     NOTIFY:2    SIGNO:0    NOTIFY_PID:8260".
func ParseMqueue(text string) (Mqueue, error) {
	var q Mqueue
	seen := false
	for _, field := range strings.Fields(text) {
		key, value, _ := strings.Cut(field, ":")
		var err error
		switch key {
		case "QSIZE":
			seen = true
			q.Size, err = strconv.ParseInt(value, 10, 64)
		case "NOTIFY_PID":
			q.NotifyPID, err = strconv.Atoi(value)
		}
		if err != nil {
			return Mqueue{}, err
		}
	}
	if !seen {
		return Mqueue{}, fmt.Errorf("no QSIZE in %q", text)
	}
	return q, nil
}

// MqueueMount returns the directory where a file system of type mqueue is
// mounted, the last if there are several, or "" if there is none.
func MqueueMount(proc fs.FS) (string, error) {
	b, err := fs.ReadFile(proc, "self/mounts")
	if err != nil {
		return "", err
	}
	dir := ""
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line) // device, directory, type, options, ...
		if len(f) >= 3 && f[2] == "mqueue" {
			dir = unescape(f[1])
		}
	}
	return dir, nil
}

// unescape undoes the octal escapes of blanks and backslashes in
// /proc/self/mounts.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// MqueueLimit are the limits of POSIX queues in sys/fs/mqueue.
type MqueueLimit struct {
	MsgDefault, MsgMax, MsgsizeDefault, MsgsizeMax, QueuesMax int64
}

// MqueueLimits reads the files of sys/fs/mqueue in proc.
func MqueueLimits(proc fs.FS) (MqueueLimit, error) {
	var l MqueueLimit
	for name, n := range map[string]*int64{
		"msg_default": &l.MsgDefault, "msg_max": &l.MsgMax,
		"msgsize_default": &l.MsgsizeDefault, "msgsize_max": &l.MsgsizeMax,
		"queues_max": &l.QueuesMax,
	} {
		b, err := fs.ReadFile(proc, "sys/fs/mqueue/"+name)
		if err != nil {
			return MqueueLimit{}, err
		}
		if *n, err = strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err != nil {
			return MqueueLimit{}, fmt.Errorf("/proc/sys/fs/mqueue/%s: %w", name, err)
		}
	}
	return l, nil
}
