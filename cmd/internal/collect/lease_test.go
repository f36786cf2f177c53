package collect_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// holder holds a message of the queue with key 42 on lease until it is killed.
func holder() {
	q, err := sysv.Open(42, &sysv.Config{Lease: time.Hour})
	if err == nil {
		var r mq.LeaseReceiver
		if r, err = q.SelectLeases(mq.Any()); err == nil {
			_, err = r.Lease(context.Background())
		}
	}
	fmt.Println("holds", err)
	os.Stdin.Read(make([]byte, 1))
}

func TestLeasesAreSeen(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newSysV(t, 42, 0)
	for _, data := range []string{"one", "two"} {
		if err := q.TrySend(mq.Message{Type: 3, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	if l := collect.List(); l.Queues[0].Leases != nil || l.Queues[0].Leases.Messages() != 0 {
		t.Fatalf("%+v", l)
	}
	cmd := testutil.Command(t, "holder")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "holds <nil>\n" {
		t.Fatalf("%q, %v", line, err)
	}
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	mine, err := r.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	l := collect.List()
	leases := l.Queues[0].Leases
	if leases == nil || leases.Held != 2 || leases.Dead+leases.Unjudged+leases.Returned+leases.Due != 0 || leases.Free != leases.Slots-2 ||
		leases.Messages() != 2 || len(leases.Holders) != 2 || len(l.Orphans)+len(l.BadPools)+l.HiddenPools != 0 || l.PoolErr != nil {
		t.Fatalf("%+v, %+v", l, leases)
	}
	his := leases.Holders[0]
	if his.PID != cmd.Process.Pid {
		his = leases.Holders[1]
	}
	if his.PID != cmd.Process.Pid || his.Gone || his.Unknown || his.Command == "" || his.Messages != 1 || time.Until(*his.Until) < 30*time.Minute {
		t.Errorf("%+v", his)
	}
	cmd.Process.Kill()
	cmd.Wait()
	opened, _, err := collect.OfOpenSysV(q)
	if err != nil || opened.Leases.Dead != 1 || opened.Leases.Due != 1 {
		t.Errorf("%+v, %v", opened.Leases, err)
	}
	all, err := collect.LentOf(q, 0)
	if err != nil || len(all) != 2 || !all[0].Holder.Gone || all[0].Holder.Command != "" || all[1].Holder.Gone || all[1].Sequence != mine.Sequence() {
		t.Fatalf("%+v, %v", all, err)
	}
	if m, err := all[0].Message(); err != nil || string(m.Data) != "one" || m.Type != 3 {
		t.Errorf("%+v, %v", m, err)
	}
	if err := mine.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if opened, _, err := collect.OfOpenSysV(q); err != nil || opened.Leases.Messages() != 1 {
		t.Errorf("%+v, %v", opened.Leases, err)
	}
}
