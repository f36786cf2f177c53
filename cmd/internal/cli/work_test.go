package cli_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream/lease"
)

// keyedQueue creates a queue with a key, and removes it when the test ends.
func keyedQueue(t *testing.T, key sysv.Key, capacity int) *sysv.Queue {
	t.Helper()
	q, err := sysv.Open(key, &sysv.Config{Exclusive: true, Capacity: capacity})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Remove(); err != nil {
			t.Error(err)
		}
		q.Close()
	})
	return q
}

// awaitSettled waits until the queue is empty and none of its messages is lent.
func awaitSettled(t *testing.T, q *sysv.Queue) {
	t.Helper()
	testutil.Await(t, func() error {
		s, err := q.Stat()
		if err != nil {
			return err
		}
		p, err := q.Pool()
		if err == nil && s.Messages+int64(p.Held+p.Returned) > 0 {
			err = fmt.Errorf("%d messages wait, %d are lent, %d were given back", s.Messages, p.Held, p.Returned)
		}
		return err
	})
}

// start starts a command, and returns it and a function that kills it.
func start(t *testing.T, args ...string) (cmd *exec.Cmd, kill func()) {
	t.Helper()
	cmd = command(t, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// number returns the value of an environment variable, or else n.
func number(t *testing.T, name string, n int) int {
	if s := os.Getenv(name); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// Although workers are killed all the time, every job is done; one in a hundred only
// after it was a dead letter. IPCMQ_JOBS is the number of jobs, 150 by default.
func TestWorkersThatAreKilledLoseNoJob(t *testing.T) {
	testutil.NeedNamespace(t)
	jobs := number(t, "IPCMQ_JOBS", 150)
	const workers, atOnce, killedAfter = 3, 2, 10
	q, dead := keyedQueue(t, 0x3017, 0), keyedQueue(t, 0x301c, 0)
	dir := t.TempDir()
	done := filepath.Join(dir, "done")
	var crew [workers]func()
	hire := func(i int) {
		_, crew[i] = start(t, "work", "0x3017", "--jobs", strconv.Itoa(atOnce), "--retry-delay", "0s",
			"--attempts", "20", "--dead-letter", "0x301c", "--", "sh", "-c", `read -r job
			case $job in *07) test -e "$1" || exit 1; esac
			echo "$job" >> "$0"`, done, filepath.Join(dir, "healed"))
	}
	for i := range crew {
		hire(i)
	}
	sent := make(chan error, 1)
	go func() {
		for i := range jobs {
			if err := q.Send(t.Context(), mq.Message{Type: 1, Data: fmt.Appendf(nil, "%02d", i)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	lines := 0
	times := map[string]int{}
	read := func() {
		b, _ := os.ReadFile(done)
		clear(times)
		lines = 0
		for line := range strings.Lines(string(b)) {
			times[strings.TrimSpace(line)]++
			lines++
		}
	}
	poisoned := (jobs + 92) / 100
	kills := 0
	for next := killedAfter; ; next = lines + killedAfter {
		testutil.Await(t, func() error {
			if read(); lines < next && len(times) < jobs-poisoned {
				return fmt.Errorf("%d of %d jobs are done, %d workers were killed", len(times), jobs, kills)
			}
			return nil
		})
		if len(times) == jobs-poisoned {
			break
		}
		crew[kills%workers]()
		hire(kills % workers)
		kills++
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	awaitSettled(t, q)
	if err := os.WriteFile(filepath.Join(dir, "healed"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := dead.Stat()
	if err != nil || s.Messages < int64(poisoned) {
		t.Errorf("%d dead letters of %d, %v", s.Messages, poisoned, err)
	}
	if err := command(t, "requeue", "0x301c", "--to", "0x3017").Run(); err != nil {
		t.Error(err)
	}
	awaitSettled(t, q)
	for i := range crew {
		crew[i]()
	}
	read()
	t.Logf("%d jobs, %d workers killed: %d done twice, %d dead letters requeued", jobs, kills, lines-jobs, s.Messages)
	for i := range jobs {
		if times[fmt.Sprintf("%02d", i)] == 0 {
			t.Errorf("job %d was lost", i)
		}
	}
	if len(times) != jobs || lines-jobs > kills*atOnce {
		t.Errorf("%d different jobs of %d were done, in %d attempts", len(times), jobs, lines)
	}
}

// Although requeue is killed all the time, every letter comes back.
func TestRequeueThatIsKilledLosesNothing(t *testing.T) {
	testutil.NeedNamespace(t)
	const letters, killedAfter = 100, 5
	dead, to := keyedQueue(t, 0x3018, 0), keyedQueue(t, 0x3019, 40)
	bury := lease.ToQueue(dead)
	for i := range letters {
		d := lease.Delivery{Message: mq.Message{Type: int64(i + 1), Data: fmt.Appendf(nil, "letter %d", i)}, Attempt: 3}
		if err := bury(t.Context(), d, errors.New("broken")); err != nil {
			t.Fatal(err)
		}
	}
	times := map[int64]int{}
	kills, got := 0, 0
	_, kill := start(t, "requeue", "0x3018", "--to", "0x3019")
	for len(times) < letters {
		m, err := to.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("letter %d", m.Type-1); string(m.Data) != want {
			t.Errorf("type %d with %q", m.Type, m.Data)
		}
		times[m.Type]++
		if got++; got%killedAfter == 0 {
			kill()
			kills++
			_, kill = start(t, "requeue", "0x3018", "--to", "0x3019")
		}
	}
	awaitSettled(t, dead)
	for {
		m, err := to.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		times[m.Type]++
		got++
	}
	kill()
	t.Logf("%d letters, requeue killed %d times: %d sent twice", letters, kills, got-letters)
	if got-letters > kills {
		t.Errorf("%d letters were sent %d times", letters, got)
	}
}

// A ^C at the terminal does not reach running commands, which have time to finish.
func TestCommandsOfWorkOutliveAnInterruptOfItsGroup(t *testing.T) {
	testutil.NeedNamespace(t)
	q := keyedQueue(t, 0x301a, 0)
	dir := t.TempDir()
	worker := command(t, "work", "0x301a", "--", "sh", "-c", `touch "$0/begun"; until test -e "$0/go"; do sleep 0.05; done; cat > "$0/done"`, dir)
	worker.SysProcAttr = sys.OwnGroup()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 2 {
		if err := q.Send(t.Context(), mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	exists := func(name string) {
		testutil.Await(t, func() error {
			_, err := os.Stat(filepath.Join(dir, name))
			return err
		})
	}
	exists("begun")
	if err := syscall.Kill(-worker.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := worker.Wait(); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "done")); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	if s, err := q.Stat(); err != nil || s.Messages != 1 {
		t.Errorf("%d messages are left, %v: want the second", s.Messages, err)
	}
}

// work leaves the terminal alone, and the output of its commands cannot control it.
func TestWorkLeavesTheTerminalAlone(t *testing.T) {
	testutil.NeedNamespace(t)
	q := keyedQueue(t, 0x301b, 0)
	terminal := testutil.NewTerminal(t, 24, 100)
	worker := command(t, "work", "0x301b", "--", "sh", "-c", `printf '\033[45mout'; printf '\033[45merr\nlast\033[45m' >&2; test $IPCMQ_ATTEMPT = 2`)
	terminal.Attach(worker)
	if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	const behind = "typed meanwhile\n"
	terminal.Type(t, behind)
	awaitSettled(t, q)
	worker.Process.Signal(os.Interrupt)
	if err := worker.Wait(); err != nil {
		t.Error(err)
	}
	line, err := bufio.NewReader(terminal.File()).ReadString('\n')
	if err != nil || line != behind {
		t.Errorf("%q, %v is left to be read", line, err)
	}
	for _, want := range []string{`\x1b[45mout`, `\x1b[45merr`, `exit status 1: last\x1b[45m`} {
		if shown := terminal.Shown(); !strings.Contains(shown, want) {
			t.Errorf("%q lacks %q", shown, want)
		}
	}
	checkHarmless(t, "work", terminal.Shown())
}
