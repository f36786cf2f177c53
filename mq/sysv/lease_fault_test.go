package sysv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/pool"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestAStoppedHolderLearnsThatItsLeaseIsOver(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see, so that it looks dead to them")
	key := freeKey(t)
	q := openLending(t, key, 200*time.Millisecond)
	r := lending(t, q, mq.Any())
	send(t, q, 7)
	// The holder stops at every step after the kernel call.
	pool.SetGrace(200 * time.Millisecond)
	defer pool.SetGrace(30 * time.Second)
	for _, step := range []string{"taken", "lent", "held", "leased"} {
		cmd := testutil.Command(t, "lease and stop", fmt.Sprint(uint32(key)), step)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out := new(strings.Builder)
		cmd.Stdout = out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		testutil.Await(t, func() error {
			if n := waiting(t, q); n != 0 {
				return fmt.Errorf("%d messages are in the queue", n)
			}
			return nil
		})
		got := leaseAll(t, r, 1)
		if len(got) != 1 || string(got[0].Message().Data) != "7" {
			t.Fatalf("%s: got %v", step, got)
		}
		send(t, q, 7) // which may be in the slot by now
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v: %s", step, err, out)
		}
		want := "stopped\nlease is over\n"
		if step != "leased" {
			want = "stopped\nlent 7\n" // the other message
		}
		if out.String() != want {
			t.Errorf("%s: it says %q, not %q", step, out, want)
		}
		if step == "leased" {
			leaseAll(t, r, 1)
		} else {
			send(t, q, 7)
		}
	}
	expectUnused(t, q)
}

func TestAnEmptyMessageAndTheLargestAreLent(t *testing.T) {
	key := freeKey(t)
	q := openLending(t, key, time.Minute)
	r := lending(t, q, mq.Any())
	for _, waits := range []bool{false, true} {
		for _, n := range []int{0, 1, q.Capabilities().MaxPayload} {
			m := mq.Message{Type: 9, Data: []byte(strings.Repeat("z", n))}
			got := make(chan mq.Lease, 1)
			receive := func() {
				l, err := r.Lease(t.Context())
				if err != nil {
					t.Error(err)
				}
				got <- l
			}
			if waits {
				go receive()
				awaitReceivers(t, os.Getpid(), 1)
			}
			if err := q.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if !waits {
				receive()
			}
			l := <-got
			if l.Message().Type != 9 || string(l.Message().Data) != string(m.Data) {
				t.Errorf("%d bytes, waiting %v: got %d", n, waits, len(l.Message().Data))
			}
			if err := l.Nak(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			for _, l := range leaseAll(t, r, 1) {
				if string(l.Message().Data) != string(m.Data) || l.Attempt() != 2 {
					t.Errorf("%d bytes, waiting %v: again %d, attempt %d", n, waits, len(l.Message().Data), l.Attempt())
				}
			}
		}
	}
}

func TestAnEmptyMessageOutlivesItsTaker(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see, so that it looks dead to them")
	key := freeKey(t)
	q := openLending(t, key, time.Minute)
	r := lending(t, q, mq.Any())
	cmd := testutil.Command(t, "lease until killed", fmt.Sprint(uint32(key)), "taken", "1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitReceivers(t, cmd.Process.Pid, 1)
	if err := q.Send(t.Context(), mq.Message{Type: 5}); err != nil {
		t.Fatal(err)
	}
	got := leaseAll(t, r, 1)
	if len(got) != 1 || got[0].Message().Type != 5 || len(got[0].Message().Data) != 0 || got[0].(interface{ Uncertain() bool }).Uncertain() {
		t.Errorf("got %v", got)
	}
	cmd.Wait()
}

func TestAFullPoolMakesLeasesWait(t *testing.T) {
	key := freeKey(t)
	q, err := sysv.Open(key, &sysv.Config{MaxLeases: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	r := lending(t, q, mq.Any())
	send(t, q, 1, 2, 3)
	first, err := r.LeaseBatch(t.Context(), 3)
	if err != nil || len(first) != 2 {
		t.Fatalf("%d leases, %v; the pool has room for 2", len(first), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	if l, err := r.Lease(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v", l, err)
	}
	cancel()
	if n := waiting(t, q); n != 1 {
		t.Errorf("%d messages are in the queue", n)
	}
	third := make(chan error, 1)
	go func() {
		l, err := r.Lease(t.Context())
		if err == nil && l.Message().Type != 3 {
			err = fmt.Errorf("type %d", l.Message().Type)
		}
		third <- err
	}()
	awaitWaiting(t, q, 1)
	if err := first[0].Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-third; err != nil {
		t.Error(err)
	}
	// One that is given back makes room for another, but comes first.
	if err := first[1].Nak(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if l, err := r.Lease(t.Context()); err != nil || l.Message().Type != 2 {
		t.Errorf("got %v, %v", l, err)
	}
}

func TestPlainReceiversNeedNoChange(t *testing.T) {
	key := freeKey(t)
	q := openLending(t, key, time.Minute)
	r := lending(t, q, mq.Any())
	for range 50 {
		leased := make(chan string, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			l, err := r.Lease(ctx)
			if err != nil {
				leased <- ""
				return
			}
			l.Ack(t.Context())
			leased <- string(l.Message().Data)
		}()
		received := make(chan string, 1)
		plain := openLending(t, key, time.Minute)
		go func() {
			m, err := plain.Receive(ctx)
			if err != nil {
				received <- ""
				return
			}
			received <- string(m.Data)
		}()
		awaitReceivers(t, os.Getpid(), 2)
		send(t, q, 1, 2)
		got := []string{<-leased, <-received}
		cancel()
		slices.Sort(got)
		if !slices.Equal(got, []string{"1", "2"}) {
			t.Fatalf("got %q", got)
		}
		plain.Close()
	}
}

func TestLeasesNeedPermissionToReadAndToCreateThePool(t *testing.T) {
	testutil.NotEmulated(t, "emulators get the permissions of segments wrong")
	testutil.NeedRoot(t)
	key := freeKey(t)
	q, err := sysv.Open(key, &sysv.Config{Mode: 0o644})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if out := asNobody(t, "select leases", key); !strings.Contains(out, "only the owner and the creator of the queue") {
		t.Errorf("before there is a pool: %s", out)
	}
	lending(t, q, mq.Any())
	send(t, q, 4)
	if out := asNobody(t, "select leases", key); out != "lent 4\n" {
		t.Errorf("a user who may read: %s", out)
	}
	wo, err := sysv.Open(key, &sysv.Config{Access: mq.WriteOnly})
	if err != nil {
		t.Fatal(err)
	}
	defer wo.Close()
	if _, err := wo.SelectLeases(mq.Any()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a user who may only write: %v", err)
	}
}

// Whether a process in another pid namespace is dead cannot be known here, so the
// lease ends when its time is over.
func TestOwnersThatCannotBeJudgedKeepTheirLeases(t *testing.T) {
	testutil.NotEmulated(t, "an emulator cannot be started in a pid namespace here")
	testutil.NeedRoot(t)
	key := freeKey(t)
	q := openLending(t, key, time.Minute)
	r := lending(t, q, mq.Any())
	send(t, q, 6)
	const lasts = 2 * time.Second
	cmd := testutil.Command(t, "lease and stop", fmt.Sprint(uint32(key)), "leased", fmt.Sprint(int64(lasts)))
	cmd.SysProcAttr = sys.PrivatePID()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "stopped\n" {
		t.Fatalf("%q, %v", line, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	killed := time.Now()
	got := leaseAll(t, r, 1)
	if len(got) != 1 || got[0].Attempt() != 2 {
		t.Fatalf("got %v", got)
	}
	if now := time.Now(); now.Sub(begun) < lasts || now.Sub(killed) > 4*lasts {
		t.Errorf("lent again %v after it was killed, while leases last %v", now.Sub(killed), lasts)
	}
}

// asNobody runs a role as another user, and returns its output.
func asNobody(t *testing.T, role string, key sysv.Key) string {
	t.Helper()
	out, _ := testutil.Command(t, role, fmt.Sprint(uint32(key))).Output()
	return string(out)
}

func init() {
	roles["lease and stop"] = func() {
		lasts := 200 * time.Millisecond
		if len(os.Args) > 3 {
			lasts = time.Duration(number(3))
		}
		q, err := sysv.Open(sysv.Key(number(1)), &sysv.Config{OpenOnly: true, Lease: lasts})
		expect(err == nil, "%v", err)
		r, err := q.SelectLeases(mq.Any())
		expect(err == nil, "%v", err)
		first := true
		pool.Step = func(name string) {
			if name == os.Args[2] && first {
				first = false
				fmt.Println("stopped")
				os.Stdin.Read(make([]byte, 1)) // until it may continue
			}
		}
		l, err := r.Lease(context.Background())
		expect(err == nil, "%v", err)
		pool.Step("leased")
		err = l.Ack(context.Background())
		if errors.Is(err, mq.ErrLeaseOver) {
			fmt.Println("lease is over")
			return
		}
		expect(err == nil, "%v", err)
		fmt.Printf("lent %s\n", l.Message().Data)
	}
	roles["select leases"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		q, err := sysv.Open(sysv.Key(number(1)), &sysv.Config{OpenOnly: true, Access: mq.ReadOnly})
		expect(err == nil, "%v", err)
		r, err := q.SelectLeases(mq.Any())
		expect(err == nil, "%v", err)
		l, err := r.Lease(context.Background())
		expect(err == nil, "%v", err)
		err = l.Ack(context.Background())
		expect(err == nil, "%v", err)
		fmt.Printf("lent %s\n", l.Message().Data)
	}
}
