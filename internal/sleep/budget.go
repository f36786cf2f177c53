package sleep

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"ipcmq/internal/sys"
)

// NoThread is returned by Sleep if no more threads may sleep.
const NoThread = sys.EAGAIN

// mostThreads leaves some of the 10,000 threads at which the Go runtime ends
// the program (debug.SetMaxThreads) to other uses.
const mostThreads = 8000

var (
	asleep atomic.Int64 // threads that sleep, in this process

	// Budget returns how many threads may sleep: half of what the system allows
	// the process, as far as that is known. The limit of an outer container is
	// not, and that of a user counts the user's other processes too.
	Budget = sync.OnceValue(func() int {
		return budget(os.DirFS("/"), os.Geteuid() == 0)
	})
)

// Advice says why Sleep returns NoThread, and what to do.
func Advice() string {
	return fmt.Sprintf("%d threads of this process wait in the kernel, the maximum, half of its limit: wait with fewer handles or selectors, such as one mux for all types, or raise RLIMIT_NPROC or pids.max",
		Budget())
}

// takeThread returns NoThread if no more threads may sleep.
func takeThread() sys.Errno {
	if asleep.Add(1) > int64(Budget()) {
		asleep.Add(-1)
		return NoThread
	}
	return 0
}

func giveThread() { asleep.Add(-1) }

// spareThread reports whether another thread might sleep.
func spareThread() bool { return asleep.Load() < int64(Budget())/2 }

// budget reads the limits below root, which is the root of the file system.
func budget(root fs.FS, superuser bool) int {
	most := mostThreads
	limit := func(text string) {
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			most = min(most, max(n/2, 1))
		}
	}
	if !superuser { // RLIMIT_NPROC does not limit the superuser
		eachLine(root, "proc/self/limits", func(line string) {
			if rest, ok := strings.CutPrefix(line, "Max processes"); ok {
				if f := strings.Fields(rest); len(f) > 0 {
					limit(f[0])
				}
			}
		})
	}
	eachLine(root, "proc/self/cgroup", func(line string) {
		f := strings.SplitN(line, ":", 3) // number, controllers, path
		if len(f) < 3 {
			return
		}
		dir := ""
		switch {
		case f[1] == "":
			dir = "sys/fs/cgroup"
		case strings.Contains(","+f[1]+",", ",pids,"):
			dir = "sys/fs/cgroup/pids"
		default:
			return
		}
		for p := path.Clean("/" + f[2]); ; p = path.Dir(p) { // a limit may be an ancestor's
			eachLine(root, path.Join(dir, p, "pids.max"), limit)
			if p == "/" {
				return
			}
		}
	})
	return most
}

func eachLine(root fs.FS, name string, f func(line string)) {
	file, err := root.Open(name)
	if err != nil {
		return
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		f(strings.TrimSpace(lines.Text()))
	}
}
