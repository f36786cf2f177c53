package web_test

import (
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ipcmq/cmd/internal/web"
	"ipcmq/internal/address"
	"ipcmq/internal/testutil"
	"ipcmq/mq/sysv"
)

type row struct {
	ID, Address, Kind, Inbox, Who string
	Messages                      int64
	Fill, FullIn, Net             float64
	Full                          bool
	History                       []int
	Lent, Dead, Receivers         int
}

type view struct {
	SysV, Posix, Inboxes, Full, Filling, Chosen int

	Urgent   *row
	Rows     []row
	Problems []string
	Findings []web.Finding
}

func TestAPageShowsAllQueuesTheMostUrgentFirst(t *testing.T) {
	testutil.NeedNamespace(t)
	for key, messages := range map[sysv.Key]int{1: 0, 2: 10, 3: 5} {
		q := newSysV(t, key, 10)
		for range messages {
			send(t, q, 1, "x")
		}
	}
	newPosix(t, "/jobs")
	s := serve(t, web.Config{Diagnose: func() []web.Finding { return []web.Finding{{Level: "WRONG", Text: "a\x1bb", Remedy: "c"}} }})
	var v view
	all := s.events(t, "/api/queues")
	all.until(t, &v, func() bool { return v.Findings != nil })
	if v.SysV != 3 || v.Posix != 1 || v.Full != 1 || v.Chosen != 4 || len(v.Rows) != 4 || v.Urgent == nil || len(v.Problems) > 0 {
		t.Fatalf("%+v", v)
	}
	for i, want := range []string{"0x00000002", "0x00000003", "0x00000001", "/jobs"} {
		if r := v.Rows[i]; r.Address != want || r.Full != (i == 0) {
			t.Errorf("%d is %+v, not %s", i, r, want)
		}
	}
	if v.Urgent.Address != "0x00000002" || len(v.Rows[0].History) == 0 || v.Rows[0].History[0] != 100 || v.Findings[0].Text != `a\x1bb` {
		t.Errorf("%+v", v)
	}

	var chosen view
	for path, want := range map[string]string{"?kind=posix": "/jobs", "?filter=00003": "0x00000003", "?sort=name&count=1": "0x00000001", "?sort=messages&count=1": "0x00000002"} {
		s.events(t, "/api/queues"+path).next(t, &chosen)
		if len(chosen.Rows) != 1 || chosen.Rows[0].Address != want || chosen.SysV != 3 {
			t.Errorf("%s: %+v", path, chosen)
		}
	}
	for _, path := range []string{"?sort=x", "?kind=x", "?count=0", "?count=x", "?count=1001"} {
		if status, problem := s.get(t, "/api/queues"+path, nil); status != 400 {
			t.Errorf("%s: %d %s", path, status, problem)
		}
	}
}

// A queue that fills is shown with the time when it will be full.
func TestAQueueThatFillsIsForeseen(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newSysV(t, 42, 10000)
	s := serve(t, web.Config{})
	var v view
	all := s.events(t, "/api/queues")
	all.until(t, &v, func() bool {
		send(t, q, 1, strings.Repeat("x", 100))
		return v.Filling == 1 && len(v.Rows) == 1 && len(v.Rows[0].History) > 5
	})
	if r := v.Urgent; r == nil || r.FullIn <= 0 || r.FullIn > 60 || r.Full {
		t.Errorf("%+v", r)
	}
	all.until(t, &v, func() bool { return v.Filling == 0 }) // it no longer changes
}

// Inboxes are distinguished from queues, and shown with the state of their owners.
func TestInboxesAreShown(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newSysV(t, 42, 0)
	send(t, q, 1, "a request")
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Remove(); in.Close() })
	s := serve(t, web.Config{})
	var v view
	s.events(t, "/api/queues?kind=inbox").until(t, &v, func() bool { return len(v.Rows) == 1 && v.Rows[0].Inbox == "living" })
	if v.Inboxes != 1 {
		t.Errorf("%+v", v)
	}
	var d struct{ Inboxes []row }
	s.events(t, "/api/queue?at=42").next(t, &d)
	if len(d.Inboxes) != 1 || d.Inboxes[0].ID != v.Rows[0].ID {
		t.Errorf("%+v", d)
	}

	if err := testutil.Command(t, "client").Run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sysv.RemoveDeadInboxes() })
	ended := 0
	s = serve(t, web.Config{}) // checks inboxes when somebody begins to watch
	s.events(t, "/api/queues?kind=inbox").until(t, &v, func() bool {
		ended = 0
		for _, r := range v.Rows {
			if r.Inbox == "ended" {
				ended++
			}
		}
		return ended > 0
	})
	if ended != 2 || v.Inboxes != 3 {
		t.Errorf("%d of %d have ended", ended, v.Inboxes)
	}
}

// A queue's page shows who uses it, and ends when the queue is removed.
func TestAQueueIsDescribedUntilItGoes(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newSysV(t, 42, 100)
	send(t, q, 7, "hello")
	s := serve(t, web.Config{})
	var d struct {
		Row      row
		Owner    string
		Creator  string
		Sequence *uint32
		Sender   struct{ Process string }
		Problem  string
		Error    string
	}
	page := s.events(t, "/api/queue?at=0x2a")
	if name := page.next(t, &d); name != "queue" || d.Row.ID != "id:"+strconv.Itoa(q.ID()) || d.Row.Messages != 1 || d.Creator == "" || d.Sequence == nil || d.Problem != "" ||
		!strings.HasPrefix(d.Sender.Process, strconv.Itoa(os.Getpid())) {
		t.Errorf("%s: %+v", name, d)
	}
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	page.until(t, &d, func() bool { return d.Error != "" })
	if !strings.Contains(d.Error, "is gone: somebody has removed it") {
		t.Errorf("%q", d.Error)
	}
	page.ends(t)

	d.Error = ""
	page = s.events(t, "/api/queue?at=/none")
	if name := page.next(t, &d); name != "gone" || d.Error != "there is no such queue" {
		t.Errorf("%s: %+v", name, d)
	}
	page.ends(t)
	if status, problem := s.get(t, "/api/queue?at=x", nil); status != 400 || problem == "" {
		t.Errorf("%d %s", status, problem)
	}
}

// A new queue with the same key is not mistaken for the one being looked at.
func TestAnotherQueueAtTheAddressIsAnother(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newSysV(t, 42, 100)
	s := serve(t, web.Config{Interval: 200 * time.Millisecond})
	var d struct{ Error string }
	page := s.events(t, "/api/queue?at=42")
	page.next(t, &d)
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	newSysV(t, 42, 100)
	page.until(t, &d, func() bool { return d.Error != "" })
	page.ends(t)
	if !strings.Contains(d.Error, "is gone") {
		t.Errorf("%q", d.Error)
	}
}

// Names are chosen by others: each queue is shown by an address that leads to it, and
// the page gets nothing else.
func TestHostileNamesAreShownAsAddresses(t *testing.T) {
	testutil.NeedNamespace(t)
	names := []string{"/<img src=x onerror=alert(1)>", "/<script>alert(1)<", "/a\nb", "/\xff\xfe", "/\u202eleft", "/&lt;b&gt;", "/\"'`", "/\x1b[31m", "/größe", "/%0A", "/#token=x&at=y"}
	for _, name := range names {
		newPosix(t, name)
	}
	s := serve(t, web.Config{})
	var v view
	s.events(t, "/api/queues").next(t, &v)
	if len(v.Rows) != len(names) {
		t.Fatalf("%+v", v)
	}
	for _, r := range v.Rows {
		for _, c := range r.Address {
			if c < ' ' || c == 0x7f || c == '\u202e' || c == '\ufffd' {
				t.Errorf("%q", r.Address)
			}
		}
		if a, err := address.Parse(r.Address); err != nil || !slices.Contains(names, a.Name) {
			t.Errorf("%q is the address of %q, %v", r.Address, a.Name, err)
		}
		var d struct{ Row row }
		if name := s.events(t, "/api/queue?at="+url.QueryEscape(r.ID)).next(t, &d); name != "queue" || d.Row.Address != r.Address {
			t.Errorf("%q leads to %s, %+v", r.ID, name, d)
		}
	}
}

func TestTheServerEndsWhilePagesAreOpen(t *testing.T) {
	testutil.NeedNamespace(t)
	newSysV(t, 42, 0)
	s := serve(t, web.Config{})
	var v view
	page := s.events(t, "/api/queues")
	page.next(t, &v)
	if err := s.end(); err != nil {
		t.Error(err)
	}
	if _, err := page.r.ReadString(0); err == nil {
		t.Error("the stream goes on")
	}
}
