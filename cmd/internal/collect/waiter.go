package collect

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Waiter is a process that waits in the kernel for a message or for room.
type Waiter struct {
	Process
	Receives bool `json:"receives"` // it waits for a message, not for room
}

func (w Waiter) String() string {
	what := "waits for room"
	if w.Receives {
		what = "waits for a message"
	}
	return strconv.Itoa(w.PID) + " " + w.Command + " " + what
}

// Wait adds waiting processes to the queues. It returns how many processes this user
// may not see waiting, and an error if none can be seen.
func Wait(queues []Queue) (hidden int, err error) {
	all, hidden, err := waiters()
	for i := range queues {
		q := &queues[i]
		if q.Kind == SysV {
			q.Waiting = all["id:"+strconv.Itoa(*q.ID)]
			continue
		}
		q.Waiting = all[q.Where.Name]
		for j := range q.Waiting {
			q.Waiting[j].Receives = q.Messages == 0
		}
	}
	return hidden, err
}

// waiters returns the processes of this IPC namespace that wait at a queue, by
// its address ("id:7", or "/jobs"). It sees processes that the user may trace, and
// that do not wait in a poller.
func waiters() (found map[string][]Waiter, hidden int, err error) {
	namespace, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		return nil, 0, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, 0, err
	}
	found, seen, now := map[string][]Waiter{}, processes{}, time.Now()
	hidden = othersHidden()
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		dir := "/proc/" + entry.Name()
		other, err := os.Readlink(dir + "/ns/ipc")
		if os.IsPermission(err) {
			hidden++
		}
		if err != nil || other != namespace {
			continue
		}
		threads, _ := os.ReadDir(dir + "/task") // it may have ended
		for _, thread := range threads {
			address, receives := waitsAt(os.DirFS(dir+"/task/"+thread.Name()), dir)
			if address != "" {
				found[address] = append(found[address], Waiter{seen.userAt(pid, now), receives})
			}
		}
	}
	return found, hidden, nil
}

// othersHidden returns 1 if /proc does not show processes of other users, as when
// mounted with hidepid=invisible: every namespace has a process 1.
func othersHidden() int {
	if _, err := os.Stat("/proc/1"); os.IsNotExist(err) {
		return 1
	}
	return 0
}

// waitsAt returns the queue at which a thread waits, if it does.
func waitsAt(thread fs.FS, process string) (address string, receives bool) {
	b, err := fs.ReadFile(thread, "wchan")
	if err != nil {
		return "", false
	}
	function, _, _ := strings.Cut(string(b), ".") // compilers add .isra.0 and the like
	if function != "do_msgrcv" && function != "do_msgsnd" && function != "wq_sleep" {
		return "", false
	}
	b, err = fs.ReadFile(thread, "syscall")
	fields := strings.Fields(string(b)) // the number, in decimal, and the arguments
	if err != nil || len(fields) < 5 {
		return "", false
	}
	first, err := strconv.ParseUint(fields[1], 0, 64)
	if err != nil {
		return "", false
	}
	if function != "wq_sleep" {
		return "id:" + strconv.FormatUint(first, 10), function == "do_msgrcv"
	}
	name, err := os.Readlink(process + "/fd/" + strconv.FormatUint(first, 10))
	if err != nil {
		return "", false
	}
	return strings.TrimSuffix(name, " (deleted)"), false // the caller decides by the state of the queue
}
