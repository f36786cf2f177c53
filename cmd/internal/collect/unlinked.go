package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq/posix"
)

// Unlinked are the POSIX queues that were unlinked but are still open. No listing shows
// them, but they count towards the limits.
type Unlinked struct {
	Queues  int
	Bytes   int64    // of RLIMIT_MSGQUEUE, used by those of this user
	Holders []string // the processes, such as "7 perl"
	Hidden  int      // processes whose descriptors this user may not see
}

// unlinkedQueues looks for them in the descriptors of all processes.
func unlinkedQueues() (u Unlinked, err error) {
	mount, err := procfs.MqueueMount(procfs.Root)
	if err != nil {
		return u, err
	}
	if mount == "" {
		return u, errors.New("no file system of type mqueue is mounted")
	}
	top, err := os.Stat(mount)
	if err != nil {
		return u, err
	}
	device := sys.FileStatus(top).Device
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return u, err
	}
	u.Hidden = othersHidden()
	seen := map[uint64]bool{}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		dir := "/proc/" + p.Name() + "/fd/"
		files, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrPermission) {
			u.Hidden++
		}
		holds := false
		for _, f := range files {
			name, err := os.Readlink(dir + f.Name())
			if err != nil || !strings.HasSuffix(name, " (deleted)") {
				continue
			}
			info, err := os.Stat(dir + f.Name())
			if err != nil {
				continue
			}
			s := sys.FileStatus(info)
			if s.Device != device || s.Links > 0 {
				continue // a file, or a queue whose name ends like this
			}
			holds = true
			if seen[s.Inode] {
				continue
			}
			seen[s.Inode] = true
			u.Queues++
			if int(s.UID) == os.Geteuid() {
				u.Bytes += footprintOf(dir + f.Name())
			}
		}
		if holds {
			comm, _ := os.ReadFile("/proc/" + p.Name() + "/comm") // it may have ended
			u.Holders = append(u.Holders, fmt.Sprintf("%d %s", pid, strings.TrimSpace(string(comm))))
		}
	}
	return u, nil
}

// footprintOf returns how much of RLIMIT_MSGQUEUE the queue behind a link in /proc
// uses, or 0 if that cannot be read.
func footprintOf(link string) int64 {
	f, err := os.Open(link)
	if err != nil {
		return 0
	}
	defer f.Close()
	attr, errno := sys.MqGetAttr(int(f.Fd()))
	if errno != 0 {
		return 0
	}
	return posix.Footprint(int(attr.MaxMessages), int(attr.MaxMessageSize))
}
