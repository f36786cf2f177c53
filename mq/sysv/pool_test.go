package sysv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// holder starts a process that leases n messages of the queue, says so, and holds
// them until its standard input ends.
func holder(t *testing.T, key sysv.Key, n int, lasts time.Duration) (cmd *exec.Cmd, done io.Closer) {
	t.Helper()
	cmd = testutil.Command(t, "hold leases", fmt.Sprint(uint32(key)), fmt.Sprint(n), fmt.Sprint(int(lasts)))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd, in
}

func init() {
	roles["hold leases"] = func() {
		q, err := sysv.Open(sysv.Key(number(1)), &sysv.Config{OpenOnly: true, Lease: time.Duration(number(3))})
		expect(err == nil, "%v", err)
		r, err := q.SelectLeases(mq.Any())
		expect(err == nil, "%v", err)
		for range number(2) {
			_, err := r.Lease(context.Background())
			expect(err == nil, "%v", err)
		}
		fmt.Println("held")
		io.Copy(io.Discard, os.Stdin)
	}
}

func poolOf(t *testing.T, q *sysv.Queue) sysv.Pool {
	t.Helper()
	p, err := q.Pool()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPoolShowsWhoHoldsWhat(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	key := freeKey(t)
	q, err := sysv.Open(key, &sysv.Config{Lease: time.Hour, MaxLeases: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	if p, err := q.Pool(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before the first lease: %+v, %v", p, err)
	}
	r := lending(t, q, mq.Any())
	send(t, q, 1, 2, 3, 4, 5)
	before := time.Now()
	first, err := r.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Nak(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	other, _ := holder(t, key, 2, 2*time.Hour)
	p := poolOf(t, q)
	self, err := procfs.Self(procfs.Root)
	if err != nil {
		t.Fatal(err)
	}
	if p.Key != key || p.Queue != q.ID() || p.Orphan || p.Slots != 10 || p.Free != 6 || p.Room < 8192 || p.Mode != 0o600 || p.Attached != 2 ||
		p.Held != 3 || p.Dead != 0 || p.Unjudged != 0 || p.Returned != 1 || p.Due != 0 || len(p.Holders) != 2 {
		t.Fatalf("%+v", p)
	}
	about := func(got, want time.Time) bool { return got.Sub(want).Abs() < 10*time.Second }
	mine, his := p.Holders[0], p.Holders[1]
	if mine.PID != os.Getpid() || mine.Start != self.Start || mine.Ended || !mine.Known || mine.Messages != 1 ||
		!about(mine.Since, before) || !about(mine.Until, before.Add(time.Hour)) {
		t.Errorf("%+v", mine)
	}
	if his.PID != other.Process.Pid || his.Ended || !his.Known || his.Messages != 2 || !about(his.Until, before.Add(2*time.Hour)) {
		t.Errorf("%+v", his)
	}

	other.Process.Kill()
	other.Wait()
	p = poolOf(t, q)
	if p.Held != 3 || p.Dead != 2 || p.Due != 2 || !p.Holders[1].Ended || p.Holders[1].PID != other.Process.Pid {
		t.Errorf("after its death: %+v", p)
	}
	all, err := p.Leases(0)
	if err != nil || len(all) != 4 {
		t.Fatalf("%+v, %v", all, err)
	}
	for i, l := range all {
		m, err := p.Peek(l)
		if want := fmt.Sprint(i + 1); err != nil || l.Type != int64(i+1) || string(m.Data) != want || m.Type != l.Type || l.Size != 1 ||
			l.Sequence == 0 || l.Attempt != 1 || l.Uncertain || l.Returned != (i == 1) || l.Due != (i >= 2) || l.Holder.Ended != (i >= 2) {
			t.Errorf("%+v, %q, %v", l, m.Data, err)
		}
	}
	if some, err := p.Leases(3); err != nil || len(some) != 3 || some[2].Type != 3 {
		t.Errorf("%+v, %v", some, err)
	}
	if _, err := p.Leases(-1); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Error(err)
	}
	if all[0].Holder.PID != os.Getpid() || all[1].Holder != (sysv.Holder{}) || !about(all[1].Until, before.Add(time.Hour)) || all[0].Sequence != first.Sequence() {
		t.Errorf("%+v", all[:2])
	}

	if err := first.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Peek(all[0]); !errors.Is(err, mq.ErrEmpty) {
		t.Errorf("settled: %v", err)
	}
	if got := leaseAll(t, r, 3); len(got) != 3 { // type 5, and those of the dead; not the one with a delay
		t.Errorf("%d messages", len(got))
	}
	if p := poolOf(t, q); p.Held != 0 || p.Returned != 1 || p.Free != 9 || len(p.Holders) != 0 {
		t.Errorf("%+v", p)
	}
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Pool(); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("of a queue that is gone: %v", err)
	}
	q.Close() // it has the pool attached
	if _, err := p.Leases(0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a pool that is gone: %v", err)
	}
}

// A Leased reports the times of its holder's lease.
func TestALeaseThatRunsOutIsDue(t *testing.T) {
	q := openLending(t, freeKey(t), time.Millisecond)
	r := lending(t, q, mq.Any())
	send(t, q, 1)
	l, err := r.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	testutil.Await(t, func() error {
		if p := poolOf(t, q); p.Due != 1 || p.Held != 1 {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	all, err := poolOf(t, q).Leases(0)
	if err != nil || len(all) != 1 || !all[0].Due || all[0].Until.Sub(l.Deadline()).Abs() > time.Second {
		t.Errorf("%+v, %v", all, err)
	}
}

// pools returns all pools and the errors, by their segments.
func pools(t *testing.T) (all map[int]sysv.Pool, errs map[int]error) {
	t.Helper()
	all, errs = map[int]sysv.Pool{}, map[int]error{}
	for p, err := range sysv.Pools() {
		if err != nil && p.Segment == 0 && p.Size == 0 {
			t.Fatal(err)
		}
		all[p.Segment] = p
		if err != nil {
			errs[p.Segment] = err
		}
	}
	return all, errs
}

func TestPoolsAreListedAndOrphansRemoved(t *testing.T) {
	testutil.NeedNamespace(t)
	var queues []*sysv.Queue
	for range 3 {
		q := openLending(t, freeKey(t), time.Hour)
		lending(t, q, mq.Any())
		queues = append(queues, q)
	}
	stranger, errno := sys.Shmget(uint32(freeKey(t)), 4096*100+1719, sys.IPC_CREAT|sys.IPC_EXCL|0o600)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { sys.ShmRemove(stranger) })
	orphan := poolOf(t, queues[1])
	if errno := sys.MsgRemove(queues[1].ID()); errno != 0 { // like a program that does not know about pools
		t.Fatal(errno)
	}
	all, errs := pools(t)
	if len(all) != 3 || len(errs) != 0 {
		t.Errorf("%+v, %v", all, errs)
	}
	for _, p := range all {
		if p.Orphan != (p.Segment == orphan.Segment) {
			t.Errorf("%+v", p)
		}
	}
	removed, err := sysv.RemoveOrphanedPools()
	if err != nil || len(removed) != 1 || removed[0].Segment != orphan.Segment || removed[0].Queue != queues[1].ID() {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if all, _ := pools(t); len(all) != 2 {
		t.Errorf("%+v", all)
	}
}

func TestPoolsOfOthersAreNotGuessedAt(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedRoot(t)
	testutil.NotEmulated(t, "the emulator cannot become another user")
	q := openLending(t, freeKey(t), time.Hour)
	lending(t, q, mq.Any())
	orphaned := openLending(t, freeKey(t), time.Hour)
	lending(t, orphaned, mq.Any())
	left := poolOf(t, orphaned)
	sys.MsgRemove(orphaned.ID())
	t.Cleanup(func() { sys.ShmRemove(left.Segment) })
	out, err := testutil.Command(t, "list pools").Output()
	want := fmt.Sprintf("queue %d, orphan false, permission true\nqueue -1, orphan false, permission true\nremoved 0, permission true\n", q.ID())
	if err != nil || string(out) != want {
		t.Errorf("%s, %v", out, err)
	}
	if _, errs := pools(t); len(errs) != 0 {
		t.Error(errs)
	}
}

func init() {
	roles["list pools"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		for p, err := range sysv.Pools() {
			fmt.Printf("queue %d, orphan %t, permission %t\n", p.Queue, p.Orphan, errors.Is(err, fs.ErrPermission))
		}
		removed, err := sysv.RemoveOrphanedPools()
		fmt.Printf("removed %d, permission %t\n", len(removed), errors.Is(err, fs.ErrPermission))
	}
}

func TestAPoolMadeByAStrangerIsNamed(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedRoot(t)
	testutil.NotEmulated(t, "the emulator cannot become another user")
	key := freeKey(t)
	if out, err := testutil.Command(t, "make a pool and remove the queue", fmt.Sprint(uint32(key))).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	q := openLending(t, key, time.Hour)
	id, errno := sys.Shmget(uint32(key), 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { sys.ShmRemove(id) })
	s, errno := sys.ShmAttach(id, false)
	if errno != 0 {
		t.Fatal(errno)
	}
	s.Words(0, 3)[2].Store(uint64(q.ID())) // as if it belonged to this queue
	s.Detach()
	if p, err := q.Pool(); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), fmt.Sprint("user ", nobody)) {
		t.Errorf("%+v, %v", p, err)
	}
}

func init() {
	roles["make a pool and remove the queue"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		q, err := sysv.Open(sysv.Key(number(1)), nil)
		expect(err == nil, "%v", err)
		_, err = q.SelectLeases(mq.Any())
		expect(err == nil, "%v", err)
		errno := sys.MsgRemove(q.ID())
		expect(errno == 0, "%v", errno)
	}
}

func TestReadingAGarbagePoolEnds(t *testing.T) {
	for seed := range 200 {
		key := freeKey(t)
		q := openLending(t, key, time.Hour)
		r := lending(t, q, mq.Any())
		send(t, q, 1, 2, 3)
		if _, err := r.Lease(t.Context()); err != nil {
			t.Fatal(err)
		}
		scribble(t, key, seed)
		begun := time.Now()
		for p := range sysv.Pools() {
			if p.Held < p.Dead+p.Unjudged || p.Free > max(p.Slots, 0) || p.Due > p.Held+p.Returned {
				t.Errorf("seed %d: %+v", seed, p)
			}
			all, _ := p.Leases(0)
			for _, l := range all[:min(len(all), 100)] {
				if m, err := p.Peek(l); err == nil && len(m.Data) > p.Room {
					t.Errorf("seed %d: %d bytes", seed, len(m.Data))
				}
				if l.Until.Year() > 3000 || l.Holder.Since.Year() > 3000 {
					t.Errorf("seed %d: %+v", seed, l)
				}
			}
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("seed %d took %v", seed, took)
		}
		q.Remove()
		q.Close()
		if id, errno := sys.Shmget(uint32(key), 0, 0); errno == 0 {
			sys.ShmRemove(id)
		}
	}
}

// A pool also shows a message whose process was killed before it could lend it.
func TestAPoolShowsWhatAKilledProcessWasTaking(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	key := freeKey(t)
	q := openLending(t, key, time.Hour)
	lending(t, q, mq.Any())
	if err := q.Send(t.Context(), mq.Message{Type: 3, Data: []byte("tick")}); err != nil {
		t.Fatal(err)
	}
	testutil.Command(t, "lease until killed", fmt.Sprint(uint32(key)), "taken", "1").Run()
	p := poolOf(t, q)
	all, err := p.Leases(0)
	if err != nil || p.Held != 1 || p.Dead != 1 || p.Due != 1 || len(all) != 1 || all[0].Type != 3 || all[0].Size != -1 || !all[0].Holder.Ended || !all[0].Due {
		t.Fatalf("%+v, %+v, %v", p, all, err)
	}
	if m, err := p.Peek(all[0]); err != nil || string(m.Data) != "tick" {
		t.Errorf("%q, %v", m.Data, err)
	}
}
