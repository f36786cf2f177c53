package web_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ipcmq/cmd/internal/web"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

type preview struct {
	Index     int
	Sum, Text string
	Kind      string
	Type      int64
	Size      int
	Lent      *struct {
		Sequence uint64
		Attempt  int
		Holder   string
		Until    *time.Time
	}
}

type messages struct {
	Total    int64
	More     bool
	Messages []preview
}

type message struct {
	Type, Size, From, To int
	Body                 struct {
		Kind, Text string
		Cut        bool
	}
	Hex string
}

func TestMessagesAreLookedAtAndStay(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newSysV(t, 42, 0)
	for i, data := range []string{`{"a":1}`, `a:1:{i:0;s:1:"x";}`, "hello", "\x00\x01\xff", "", "<b>bold</b>\x1b[31m"} {
		send(t, q, int64(i+1), data)
	}
	before, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, web.Config{})
	var m messages
	if status, problem := s.get(t, "/api/messages?at=42", &m); status != 200 || m.Total != 6 || m.More || len(m.Messages) != 6 {
		t.Fatalf("%d %s: %+v", status, problem, m)
	}
	for i, want := range []preview{{Kind: "JSON", Text: `{"a":1}`}, {Kind: "PHP", Text: `a:1:{i:0;s:1:"x";}`}, {Kind: "text", Text: "hello"},
		{Kind: "binary", Text: `\x00\x01\xff`}, {Kind: "empty"}, {Kind: "binary", Text: `<b>bold</b>\x1b[31m`}} {
		if p := m.Messages[i]; p.Kind != want.Kind || p.Text != want.Text || p.Type != int64(i+1) || p.Index != i {
			t.Errorf("%+v instead of %+v", p, want)
		}
	}
	var w message
	p := m.Messages[1]
	if status, problem := s.get(t, fmt.Sprintf("/api/message?at=42&index=%d&sum=%s", p.Index, p.Sum), &w); status != 200 || w.Type != 2 || w.Size != 18 ||
		w.Body.Text != "[\n  0 => \"x\",\n]" || w.Body.Kind != "PHP" || !strings.HasPrefix(w.Hex, "00000000  61 3a 31 3a 7b 69 3a 30  3b 73 3a 31 3a 22 78 22  a:1:{i:0;s:1:\"x\"\n00000010  3b 7d ") {
		t.Errorf("%d %s: %+v", status, problem, w)
	}
	after, err := q.Stat()
	if err != nil || after != before {
		t.Errorf("the queue was %+v, and is %+v, %v", before, after, err)
	}
}

// A message is found again after it has moved, and never mistaken for another one.
func TestAMessageThatMovesIsFound(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newSysV(t, 42, 0)
	for _, data := range []string{"a", "b", "c", "d"} {
		send(t, q, 1, data)
	}
	s := serve(t, web.Config{})
	var m messages
	s.get(t, "/api/messages?at=42", &m)
	path := func(p preview) string { return fmt.Sprintf("/api/message?at=42&index=%d&sum=%s", p.Index, p.Sum) }
	for range 2 {
		if _, err := q.TryReceive(); err != nil {
			t.Fatal(err)
		}
	}
	var w message
	if status, problem := s.get(t, path(m.Messages[3]), &w); status != 200 || w.Body.Text != "d" {
		t.Errorf("%d %s: %+v", status, problem, w)
	}
	if status, problem := s.get(t, path(m.Messages[1]), &w); status != http.StatusGone || !strings.Contains(problem, "was received meanwhile") {
		t.Errorf("%d %s: %+v", status, problem, w)
	}
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	if status, problem := s.get(t, path(m.Messages[3]), &w); status != http.StatusNotFound {
		t.Errorf("%d %s: %+v", status, problem, w)
	}
}

func TestLentMessagesAreShown(t *testing.T) {
	testutil.NeedNamespace(t)
	q, err := sysv.Open(42, &sysv.Config{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	s := serve(t, web.Config{})
	var m messages
	if status, problem := s.get(t, "/api/messages?at=42&lent=1", &m); status != 200 || len(m.Messages) != 0 {
		t.Errorf("%d %s: %+v", status, problem, m)
	}
	send(t, q, 7, `["job"]`)
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	lease, err := r.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status, problem := s.get(t, "/api/messages?at=42&lent=1", &m); status != 200 || len(m.Messages) != 1 {
		t.Fatalf("%d %s: %+v", status, problem, m)
	}
	p := m.Messages[0]
	if p.Type != 7 || p.Kind != "JSON" || p.Lent == nil || p.Lent.Attempt != 1 || p.Lent.Until == nil || !strings.HasPrefix(p.Lent.Holder, strconv.Itoa(os.Getpid())) {
		t.Errorf("%+v", p)
	}
	var w message
	path := fmt.Sprintf("/api/message?at=42&lent=%d", p.Lent.Sequence)
	if status, problem := s.get(t, path, &w); status != 200 || w.Body.Text != "[\n  \"job\"\n]" {
		t.Errorf("%d %s: %+v", status, problem, w)
	}
	var d struct {
		Lent *struct {
			Held    int
			Holders []struct{ Process string }
		}
	}
	s.events(t, "/api/queue?at=42").next(t, &d)
	if d.Lent == nil || d.Lent.Held != 1 || len(d.Lent.Holders) != 1 {
		t.Errorf("%+v", d)
	}
	if err := lease.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, problem := s.get(t, path, &w); status != http.StatusGone {
		t.Errorf("%d %s", status, problem)
	}
}

// A payload of a megabyte is sent in parts.
func TestABodyOfAMegabyte(t *testing.T) {
	testutil.NeedNamespace(t)
	const size = 1 << 20
	raise(t, "kernel/msgmax", size)
	raise(t, "kernel/msgmnb", 4*size)
	q := newSysV(t, 42, 4*size)
	send(t, q, 1, strings.Repeat("[", size/2)+strings.Repeat("]", size/2)) // deeper than any parser's limit
	send(t, q, 2, `["`+strings.Repeat("é", size/2-2)+`"]`)
	send(t, q, 3, "a:65536:{"+strings.Repeat("i:0;N;", 65536)+"}")
	s := serve(t, web.Config{})
	var m messages
	if status, problem := s.get(t, "/api/messages?at=42", &m); status != 200 || len(m.Messages) != 3 {
		t.Fatalf("%d %s: %+v", status, problem, m)
	}
	for i, want := range []string{"text", "JSON", "PHP"} {
		p := m.Messages[i]
		if p.Kind != want || len(p.Text) > 200 {
			t.Errorf("%d is %+v", i, p)
		}
		path := fmt.Sprintf("/api/message?at=42&index=%d&sum=%s", p.Index, p.Sum)
		var w message
		if status, problem := s.get(t, path, &w); status != 200 || w.Body.Kind != want || !w.Body.Cut || len(w.Body.Text) > 64<<10 || w.From != 0 || w.To != 4<<10 {
			t.Errorf("%d: %d %s: %s, %d bytes of %d, %d to %d", i, status, problem, w.Body.Kind, len(w.Body.Text), w.Size, w.From, w.To)
		}
		if status, problem := s.get(t, fmt.Sprintf("%s&from=%d", path, w.Size-10), &w); status != 200 || w.To != w.Size || w.From%16 != 0 || w.Size-w.From > 16 {
			t.Errorf("%d: %d %s: %d to %d", i, status, problem, w.From, w.To)
		}
	}
}

// Many messages come in pages, up to the limit beyond which the kernel would count too far.
func TestMessagesComeInPages(t *testing.T) {
	testutil.NeedNamespace(t)
	raise(t, "kernel/msgmnb", 1<<20)
	q := newSysV(t, 42, 1<<20)
	for i := range 1010 {
		send(t, q, 1, strconv.Itoa(i))
	}
	s := serve(t, web.Config{})
	seen := 0
	for more := true; more; {
		var m messages
		if status, problem := s.get(t, fmt.Sprintf("/api/messages?at=42&from=%d", seen), &m); status != 200 || m.Total != 1010 || len(m.Messages) == 0 {
			t.Fatalf("from %d: %d %s: %+v", seen, status, problem, m)
		}
		for i, p := range m.Messages {
			if p.Index != seen+i || p.Text != strconv.Itoa(p.Index) {
				t.Errorf("%+v", p)
			}
		}
		seen += len(m.Messages)
		more = m.More
	}
	if seen != 1000 {
		t.Errorf("%d messages", seen)
	}
	for _, path := range []string{"/api/messages?at=42&from=1001", "/api/messages?at=42&from=-1", "/api/messages?at=", "/api/messages?at=js:x", "/api/message?at=42&index=x"} {
		if status, problem := s.get(t, path, nil); status != http.StatusBadRequest || problem == "" {
			t.Errorf("%s: %d %s", path, status, problem)
		}
	}
}

// If messages cannot be seen, the answer gives the reason and the remedy.
func TestMessagesThatCannotBeSeen(t *testing.T) {
	testutil.NeedNamespace(t)
	newPosix(t, "/jobs")
	s := serve(t, web.Config{})
	if status, problem := s.get(t, "/api/messages?at=/jobs", nil); status != http.StatusNotImplemented || !strings.Contains(problem, "ipcmq recv") {
		t.Errorf("%d %s", status, problem)
	}
	if status, problem := s.get(t, "/api/messages?at=43", nil); status != http.StatusNotFound {
		t.Errorf("%d %s", status, problem)
	}
}

// raise sets a limit of this namespace for the test.
func raise(t *testing.T, name string, value int) {
	t.Helper()
	file := "/proc/sys/" + name
	before, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(strconv.Itoa(value)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(file, before, 0o644) })
}
