package collect_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func TestMain(m *testing.M) {
	testutil.Main(m, map[string]func(){"waiter": waiter, "holder": holder})
}

// waiter waits at the queue with the given id: for a message, or with the argument
// "room" for room.
func waiter() {
	id, err := strconv.Atoi(os.Args[1])
	if err == nil {
		var q *sysv.Queue
		if q, err = sysv.OpenID(id, nil); err == nil {
			if os.Args[2] == "room" {
				err = q.Send(context.Background(), mq.Message{Type: 1, Data: []byte("more")})
			} else {
				_, err = q.Receive(context.Background())
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func newSysV(t *testing.T, key sysv.Key, capacity int) *sysv.Queue {
	t.Helper()
	q, err := sysv.Open(key, &sysv.Config{Capacity: capacity})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	return q
}

// find returns the queue with an address.
func find(t *testing.T, queues []collect.Queue, address string) collect.Queue {
	t.Helper()
	for _, q := range queues {
		if q.Address == address {
			return q
		}
	}
	t.Fatalf("no queue %s among %d", address, len(queues))
	return collect.Queue{}
}

func TestAHostIsLookedAtOnce(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	full, empty := newSysV(t, 42, 8), newSysV(t, sysv.Private, 0)
	if err := full.TrySend(mq.Message{Type: 1, Data: []byte("12345678")}); err != nil {
		t.Fatal(err)
	}
	p, err := posix.Open("/a b", &posix.Config{MaxMessages: 4, MaxMessageSize: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Unlink(); p.Close() })
	if err := p.TrySend(mq.Message{Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	for id, what := range map[int]string{full.ID(): "room", empty.ID(): "message"} {
		cmd := testutil.Command(t, "waiter", strconv.Itoa(id), what)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		testutil.AwaitAsleep(t, cmd.Process.Pid, 1, "do_msgrcv", "do_msgsnd")
	}

	h := collect.Look()
	if errs := h.Errors(); len(errs) > 0 || len(h.Queues) != 3 || h.Took <= 0 {
		t.Fatalf("%d queues in %v, %v", len(h.Queues), h.Took, errs)
	}
	q := find(t, h.Queues, "0x0000002a")
	if receive, send := q.CountWaiting(); q.Fill() != 1 || receive != 0 || send != 1 || q.LastSender.PID != os.Getpid() {
		t.Errorf("%+v", q)
	}
	q = find(t, h.Queues, fmt.Sprintf("id:%d", empty.ID()))
	if receive, send := q.CountWaiting(); q.Fill() != 0 || receive != 1 || send != 0 || q.LastSend != nil {
		t.Errorf("%+v", q)
	}
	q = find(t, h.Queues, "name:/a%20b")
	if q.Fill() != 0.25 || q.Messages != 1 || q.Bytes != 1 || q.Capacity != 64 || q.Kind != collect.Posix {
		t.Errorf("%+v", q)
	}
	if h.SysV.Usage.Queues != 2 || h.SysV.Largest != 16384 || h.Posix.Queues != 1 || h.Posix.Messages != 4 || h.Posix.Size != 16 {
		t.Errorf("%+v, %+v", h.SysV, h.Posix)
	}
	if u := h.Unseen(); u.SysVQueues+u.PosixQueues+u.States+u.Inboxes+u.Limits != 0 {
		t.Errorf("%+v", u)
	}
}

// Whatever cannot be seen is counted, for any reason.
func TestWhatIsUnseenIsCounted(t *testing.T) {
	none := &collect.Host{
		Listing: collect.Listing{
			Queues:  []collect.Queue{{Kind: collect.Posix, Messages: -1, Capacity: -1}, {Kind: collect.SysV, Capacity: -1}, {Kind: collect.SysV}},
			SysVErr: fs.ErrPermission, PosixErr: fs.ErrNotExist, PoolErr: fs.ErrPermission, HiddenPools: 2, BadPools: []error{fs.ErrInvalid},
		},
		Hidden: 2, WaitErr: fs.ErrNotExist, InboxErrs: []error{fs.ErrNotExist}, LimitErrs: []error{fs.ErrNotExist, fs.ErrNotExist},
	}
	want := collect.Unseen{SysVQueues: 1, PosixQueues: 1, States: 2, Pools: 3, Waiting: 3, Unlinked: 1, Inboxes: 1, Limits: 2}
	if got := none.Unseen(); got != want {
		t.Errorf("%+v", got)
	}
	if n := len(none.Errors()); n != 7 { // the error for queues and pools is the same
		t.Errorf("%d errors", n)
	}
}

func TestAMeterSeesWhatMoves(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newSysV(t, 42, 100)
	m := collect.NewMeter(100 * time.Millisecond)
	defer m.Close()
	if err := q.TrySend(mq.Message{Type: 1, Data: make([]byte, 50)}); err != nil {
		t.Fatal(err)
	}
	gauges, problems := m.Measure(t.Context())
	if len(gauges) != 1 || strings.Contains(fmt.Sprint(problems), "sysvipc") {
		t.Fatalf("%v, %v", gauges, problems)
	}
	if g := gauges[0]; g.Net <= 0 || g.In < g.Net || g.Out != 0 || len(g.History) != 1 || g.Fill() != 0.5 || g.FillsIn() <= 0 || g.Full() {
		t.Errorf("%+v", g)
	}
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	newSysV(t, 43, 100)
	gauges, _ = m.Measure(t.Context())
	if len(gauges) != 1 || gauges[0].Address != "0x0000002b" || len(gauges[0].History) != 0 {
		t.Errorf("%v", gauges)
	}
	if gauges, _ = m.Measure(t.Context()); len(gauges) != 1 || len(gauges[0].History) != 1 {
		t.Errorf("%v", gauges)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if gauges, _ = m.Measure(ctx); gauges != nil {
		t.Errorf("after its context has ended: %v", gauges)
	}
}
