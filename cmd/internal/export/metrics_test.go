package export_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"ipcmq/cmd/internal/collect"
	"ipcmq/cmd/internal/export"
	"ipcmq/internal/address"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func TestMetricsMatchTheKernel(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	q, empty, jobs := newSysV(t, 42), newSysV(t, sysv.Private), newPosix(t, "/jobs")
	send(t, q, "hello")
	send(t, q, "hello, too")
	send(t, jobs, "x")
	waiting := testutil.Command(t, "receiver", strconv.Itoa(empty.ID()))
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	testutil.AwaitAsleep(t, waiting.Process.Pid, 1, "do_msgrcv")
	if err := testutil.Command(t, "client", strconv.Itoa(q.ID())).Run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sysv.RemoveDeadInboxes() })
	before := float64(time.Now().Add(-time.Minute).Unix())

	m := export.New(export.Config{MaxQueues: 10})
	values := gather(t, m)
	private := fmt.Sprintf("{kind=sysv,queue=id:%d}", empty.ID())
	info := fmt.Sprintf("ipcmq_queue_info{id=%d,inbox=false,kind=sysv,mode=0600,owner=%s,queue=0x0000002a}", q.ID(), collect.UserName(uint32(os.Geteuid())))
	for key, want := range map[string]float64{
		info: 1,
		"ipcmq_queue_messages{kind=sysv,queue=0x0000002a}":          2,
		"ipcmq_queue_bytes{kind=sysv,queue=0x0000002a}":             15,
		"ipcmq_queue_capacity_bytes{kind=sysv,queue=0x0000002a}":    16384,
		"ipcmq_queue_capacity_messages{kind=sysv,queue=0x0000002a}": 16384,
		"ipcmq_queue_used_ratio{kind=sysv,queue=0x0000002a}":        15. / 16384,
		"ipcmq_queue_waiting_receivers" + private:                   1,
		"ipcmq_queue_waiting_senders" + private:                     0,
		"ipcmq_queue_messages" + private:                            0,
		"ipcmq_queue_messages{kind=posix,queue=/jobs}":              1,
		"ipcmq_queue_bytes{kind=posix,queue=/jobs}":                 1,
		"ipcmq_queue_capacity_messages{kind=posix,queue=/jobs}":     4,
		"ipcmq_queue_capacity_bytes{kind=posix,queue=/jobs}":        64,
		"ipcmq_queue_used_ratio{kind=posix,queue=/jobs}":            0.25,
		"ipcmq_queues{kind=sysv}":                                   3,
		"ipcmq_queues{kind=posix}":                                  1,
		"ipcmq_queues_omitted{kind=sysv}":                           1, // the inbox
		"ipcmq_inboxes{kind=sysv}":                                  1,
		"ipcmq_dead_inboxes{kind=sysv}":                             1,
		"ipcmq_dead_inboxes{kind=posix}":                            0,
		"ipcmq_limit{limit=kernel.msgmnb}":                          16384,
		"ipcmq_limit{limit=fs.mqueue.queues_max}":                   256,
		"ipcmq_limit_used{limit=kernel.msgmni}":                     3,
		"ipcmq_limit_used{limit=fs.mqueue.queues_max}":              1,
		"ipcmq_limit_used{limit=RLIMIT_MSGQUEUE}":                   float64(posix.Footprint(4, 16)),
		"ipcmq_unseen{what=sysv_queues}":                            0,
		"ipcmq_unseen{what=posix_queues}":                           0,
		"ipcmq_unseen{what=queue_states}":                           0,
		"ipcmq_unseen{what=inbox_owners}":                           0,
		"ipcmq_unseen{what=limits}":                                 0,
	} {
		if got, ok := values[key]; !ok || got != want {
			t.Errorf("%s is %v (%t) instead of %v", key, got, ok, want)
		}
	}
	for _, key := range []string{"last_send_timestamp_seconds{kind=sysv,queue=0x0000002a}", "changed_timestamp_seconds{kind=posix,queue=/jobs}"} {
		if values["ipcmq_queue_"+key] < before {
			t.Errorf("%s is %v", key, values["ipcmq_queue_"+key])
		}
	}
	if n := count(values, "ipcmq_queue_last_receive_timestamp_seconds"); n != 0 {
		t.Errorf("%d queues have been received from", n)
	}
	if values := gather(t, export.New(export.Config{MaxQueues: 10, Inboxes: true})); count(values, "ipcmq_queue_messages") != 4 || values["ipcmq_queues_omitted{kind=sysv}"] != 0 {
		t.Errorf("with inboxes: %v", values)
	}
}

// Names that any user can give a queue become labels that lead back to the queue, and
// whatever they contain, no line can be forged.
func TestNoNameBreaksTheFormat(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	names := map[string]bool{}
	for _, name := range []string{"/plain", "/\"quoted\"", "/a\nipcmq_queues{kind=\"sysv\"} 99", "/\xff\xfe", "/back\\slash", "/{}", "/two words", "/größe", "/\u202e", "/\x1b[45m"} {
		names[name] = true
		newPosix(t, name)
	}
	var text bytes.Buffer
	if err := export.Write(&text, export.New(export.Config{MaxQueues: 100})); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range families["ipcmq_queue_messages"].GetMetric() {
		for _, l := range sample.GetLabel() {
			if l.GetName() == "queue" {
				a, err := address.Parse(l.GetValue())
				if err != nil || !names[a.Name] {
					t.Errorf("%q is %q, %v", l.GetValue(), a.Name, err)
				}
				delete(names, a.Name)
			}
		}
	}
	if len(names) > 0 {
		t.Errorf("no metrics of %q", slices.Collect(maps.Keys(names)))
	}
	if n := len(families["ipcmq_queues"].GetMetric()); n != 2 {
		t.Errorf("%d samples of ipcmq_queues", n)
	}
}

func TestTenThousandQueues(t *testing.T) {
	testutil.NeedNamespace(t)
	const many, most = 10_000, 100
	for i := range many {
		key := sysv.Private
		if i%100 == 0 {
			key = sysv.Key(1000 + i)
		}
		newSysV(t, key)
	}
	m := export.New(export.Config{MaxQueues: most})
	begun := time.Now()
	values := gather(t, m)
	if n := count(values, "ipcmq_queue_messages"); n != most || values["ipcmq_queues{kind=sysv}"] != many || values["ipcmq_queues_omitted{kind=sysv}"] != many-most {
		t.Errorf("%d queues have metrics, %v are there, %v omitted", n, values["ipcmq_queues{kind=sysv}"], values["ipcmq_queues_omitted{kind=sysv}"])
	}
	if n := len(values); n > 11*most+60 {
		t.Errorf("%d metrics", n)
	}
	for i := range most { // those with keys come first
		key := fmt.Sprintf("ipcmq_queue_messages{kind=sysv,queue=%v}", sysv.Key(1000+100*i))
		if _, ok := values[key]; !ok {
			t.Errorf("there is no %s", key)
		}
	}
	t.Logf("%d of %d queues: %v", most, many, time.Since(begun))

	begun = time.Now()
	var text bytes.Buffer
	if err := export.Write(&text, export.New(export.Config{MaxQueues: many})); err != nil {
		t.Fatal(err)
	}
	t.Logf("all %d queues: %v, %d bytes", many, time.Since(begun), text.Len())
}

func TestQueuesComeAndGoMeanwhile(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	stays := newSysV(t, 42)
	send(t, stays, "x")
	ended, failed := make(chan struct{}), make(chan error, 2)
	var coming sync.WaitGroup
	coming.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			default:
			}
			key := sysv.Private
			if i%2 == 0 {
				key = 43
			}
			q, err := sysv.Open(key, nil)
			if err == nil {
				err = q.TrySend(mq.Message{Type: 1})
			}
			if err == nil && key != sysv.Private { // with a pool, which is removed with it or left behind
				_, err = q.SelectLeases(mq.Any())
			}
			if err != nil {
				failed <- err
				return
			}
			if i%4 == 0 {
				sys.MsgRemove(q.ID())
			}
			q.Remove()
			q.Close()
		}
	})
	coming.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
			}
			q, err := posix.Open("/come", &posix.Config{MaxMessages: 1, MaxMessageSize: 8, Blocking: true})
			if err != nil {
				failed <- err
				return
			}
			q.Unlink()
			q.Close()
		}
	})
	m := export.New(export.Config{MaxQueues: 10, Inboxes: true})
	for range 50 {
		values := gather(t, m)
		if values["ipcmq_queue_messages{kind=sysv,queue=0x0000002a}"] != 1 || values["ipcmq_unseen{what=sysv_queues}"]+values["ipcmq_unseen{what=posix_queues}"]+values["ipcmq_unseen{what=pools}"]+values["ipcmq_unusable_pools{}"] != 0 {
			t.Fatalf("%v", values)
		}
	}
	close(ended)
	coming.Wait()
	sysv.RemoveOrphanedPools()
	select {
	case err := <-failed:
		t.Error(err)
	default:
	}
}
