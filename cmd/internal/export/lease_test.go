package export_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"ipcmq/cmd/internal/export"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// holder leases two messages of the queue with key 42, gives one of them back, and
// exits.
func holder() {
	q, err := sysv.Open(42, nil)
	if err == nil {
		var r mq.LeaseReceiver
		if r, err = q.SelectLeases(mq.Any()); err == nil {
			var batch []mq.Lease
			if batch, err = r.LeaseBatch(ctx, 2); err == nil {
				err = batch[1].Nak(ctx, time.Hour)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testutil.KillSelf()
}

func TestMetricsOfLeases(t *testing.T) {
	testutil.NeedNamespace(t)
	q, plain, gone := newSysV(t, 42), newSysV(t, 43), newSysV(t, 44)
	more := func() {
		send(t, q, "x")
		send(t, q, "x")
		testutil.Command(t, "holder").Run()
	}
	more()
	for _, q := range []*sysv.Queue{q, gone} {
		r, err := q.SelectLeases(mq.Any())
		if err != nil {
			t.Fatal(err)
		}
		if q == gone {
			break
		}
		if _, err := r.Lease(t.Context()); err != nil { // the message of the dead holder
			t.Fatal(err)
		}
	}
	if errno := sys.MsgRemove(gone.ID()); errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { sysv.RemoveOrphanedPools() })
	more()

	p, err := q.Pool()
	if err != nil {
		t.Fatal(err)
	}
	values := gather(t, export.New(export.Config{MaxQueues: 10}))
	for name, want := range map[string]float64{
		"queue_leases_held": 2, "queue_leases_returned": 2, "queue_leases_due": 1, "queue_leases_of_dead": 1,
		"queue_pool_slots": 256, "queue_pool_used_slots": 4, "queue_pool_bytes": float64(p.Size),
	} {
		if got := values["ipcmq_"+name+"{kind=sysv,queue=0x0000002a}"]; got != want || count(values, "ipcmq_"+name) != 1 {
			t.Errorf("%s is %v instead of %v, of %d queues", name, got, want, count(values, "ipcmq_"+name))
		}
	}
	for key, want := range map[string]float64{"ipcmq_orphaned_pools{}": 1, "ipcmq_unusable_pools{}": 0, "ipcmq_unseen{what=pools}": 0} {
		if got, ok := values[key]; !ok || got != want {
			t.Errorf("%s is %v (%t) instead of %v", key, got, ok, want)
		}
	}
	if _, err := plain.Pool(); err == nil {
		t.Error("collecting created a pool")
	}
}
