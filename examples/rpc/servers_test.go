package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// A peer is a running server in one of the languages.
type peer struct {
	*exec.Cmd
	queue *sysv.Queue
	out   bytes.Buffer
}

// start starts the peer. After the test it is killed if it has not ended.
func (s *peer) start(t *testing.T) {
	t.Helper()
	s.Stdout = &s.out
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.ProcessState == nil {
			s.Process.Kill()
			s.Wait()
		}
	})
}

func (l language) startServer(t *testing.T, q *sysv.Queue) *peer {
	t.Helper()
	s := &peer{Cmd: l.program(t, "server", q), queue: q}
	s.start(t)
	return s
}

// end removes the queue, which ends the server, and compares its output.
func (s *peer) end(t *testing.T, want string) {
	t.Helper()
	if err := s.queue.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err != nil || s.out.String() != want {
		t.Errorf("printed\n%s, %v; not\n%s", s.out.String(), err, want)
	}
}

func TestAGoClientIsAnsweredByServers(t *testing.T) {
	inEach(t, func(t *testing.T, l language) {
		q := newQueue(t)
		s := l.startServer(t, q)
		m := newClient(t, q)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var group sync.WaitGroup
		for c := range 8 {
			group.Go(func() {
				for i := range 50 {
					text := strings.Repeat(fmt.Sprintf("caller %d, %d. ", c, i), 1+i)
					got, err := m.Request(ctx, requests, []byte(text))
					if err != nil || string(got) != strings.ToUpper(text) {
						t.Errorf("%q: got %q, %v", text, got, err)
						return
					}
				}
			})
		}
		group.Wait()
		_, err := m.Request(ctx, requests, nil)
		var remote *rpc.RemoteError
		if !errors.As(err, &remote) || remote.Code != 1024 || remote.Text != "nothing to put in upper case" {
			t.Errorf("an empty request: %v", err)
		}
		if st := m.Stats(); st.Sent != 401 || st.Answered != 401 || st.Foreign+st.Late+st.Duplicate != 0 {
			t.Errorf("%+v", st)
		}
		s.end(t, "handled 401, malformed 0, expired 0, refused 0, replies lost 0\n")
	})
}

// request returns a request as specified by PROTOCOL.md.
func request(deadline int64, address, payload string) []byte {
	b := append([]byte("ipcq"), 1, 1, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, 5) // id
	b = binary.LittleEndian.AppendUint64(b, 6) // token
	b = binary.LittleEndian.AppendUint64(b, uint64(deadline))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(address)))
	b = append(b, 0, 0, 0, 0, 0, 0)
	return append(append(b, address...), payload...)
}

// withMetadata returns a request with fields and metadata, and the text "hello".
func withMetadata(deadline int64, address, metadata string) []byte {
	b := request(deadline, address, metadata+"hello")
	b[34] = byte(len(metadata))
	return b
}

// due returns the field with the deadline by the clock of q.
func due(t *testing.T, q *sysv.Queue, left time.Duration) string {
	t.Helper()
	now, err := q.Clock(t.Context())
	if err != nil {
		testutil.Lacking(t, "the time since the boot: "+err.Error())
	}
	at := left // the extreme values stand for themselves
	if left != math.MinInt64 && left != math.MaxInt64 {
		at += now.Time
	}
	b := append([]byte{2, 0, 'd', 24, 0}, now.ID[:]...)
	return string(binary.LittleEndian.AppendUint64(b, uint64(at)))
}

// reply is a reply or an error to it.
func reply(kind, code byte, payload string) string {
	b := append([]byte("ipcq"), 1, kind, code, 0)
	if code != 0 && code != 3 {
		b[6], b[7] = 0, 4 // 1024
	}
	b = binary.LittleEndian.AppendUint64(b, 5)
	b = binary.LittleEndian.AppendUint64(b, 6)
	return string(append(b, make([]byte, 16)...)) + payload
}

func send(t *testing.T, q *sysv.Queue, data []byte) {
	t.Helper()
	if err := q.Send(t.Context(), mq.Message{Type: requests, Data: data}); err != nil {
		t.Fatal(err)
	}
}

// expect receives a reply and compares it byte by byte.
func expect(t *testing.T, inbox mq.Inbox, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	m, err := inbox.Receive(ctx)
	if err != nil || m.Type != 1 || string(m.Data) != want {
		t.Fatalf("got type %d, %q, %v; not %q", m.Type, m.Data, err, want)
	}
}

func TestServersTrustNothing(t *testing.T) {
	inEach(t, func(t *testing.T, l language) {
		q := newQueue(t)
		inbox := l.newInbox(t)
		gone := l.newInbox(t)
		full := l.newInbox(t)
		if err := gone.Remove(); err != nil {
			t.Fatal(err)
		}
		for full.TrySend(mq.Message{Type: 1, Data: make([]byte, 100)}) == nil {
		}
		for full.TrySend(mq.Message{Type: 1}) == nil { // and by the number of messages
		}
		// Queues of another program, private and with a key.
		private := openQueue(t, sysv.Private, nil)
		key, err := sysv.Ftok(t.TempDir(), 'v')
		if err != nil {
			t.Fatal(err)
		}
		keyed, err := sysv.Open(key, &sysv.Config{Exclusive: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { keyed.Remove(); keyed.Close() }()
		other := newInbox(t, openQueue(t, sysv.Private, &sysv.Config{InboxKeys: true}))
		byID := newInbox(t, openQueue(t, sysv.Private, &sysv.Config{}))
		id, err := strconv.Atoi(strings.TrimPrefix(byID.Address(), "sysv:"))
		if err != nil {
			t.Fatal(err)
		}
		s := l.startServer(t, q)

		edit := func(at int, values ...byte) []byte {
			b := request(0, inbox.Address(), "hello")
			copy(b[at:], values)
			return b
		}
		malformed := [][]byte{
			{},
			[]byte("hello"),
			edit(0)[:39],
			edit(3, 'Q'),
			edit(4, 0),
			edit(4, 2),
			edit(5, 0),
			edit(5, 2),
			edit(5, 3),
			edit(5, 4),
			edit(5, 255),
			edit(8, 0),
			edit(32, 255),
			edit(32, 0, 1),
			edit(32, 255, 255),
			edit(34, 6),     // more metadata than payload
			edit(34, 1, 16), // more than allowed
			withMetadata(0, inbox.Address(), "\x02\x00d\x03\x00abc"), // malformed fields
			withMetadata(0, inbox.Address(), "\x01k\x05\x00v"),
			withMetadata(0, inbox.Address(), "\x09k\x00\x00"),
			withMetadata(0, inbox.Address(), "\x00\x00\x00"),
			withMetadata(0, inbox.Address(), "\x01k"),
			withMetadata(0, inbox.Address(), due(t, q, time.Minute)+due(t, q, time.Minute)),
			request(0, "sysv:1", "")[:45],
			request(0, "sysv:"+strings.Repeat("0", 251), ""),
		}
		expired := [][]byte{
			request(1, inbox.Address(), "hello"),
			request(time.Now().UnixNano(), inbox.Address(), "hello"),
			request(math.MinInt64, inbox.Address(), "hello"),
			// The clock of the queue takes precedence over the wall clock.
			withMetadata(time.Now().Add(time.Hour).UnixNano(), inbox.Address(), due(t, q, -time.Hour)),
			withMetadata(0, inbox.Address(), due(t, q, math.MinInt64)),
		}
		var refused [][]byte
		for _, address := range []string{
			"", "sysv", "sysv:", "sysv:-1", "sysv: 1", "sysv:1 ", "sysv:0x1", "sysv:1\x00",
			"SYSV" + byID.Address()[4:], "SYSV" + inbox.Address()[4:], "posix:/hello", "sysv:2147483647", "sysv:2147483648",
			"sysv:18446744073709551616", "sysv:" + strings.Repeat("9", 250),
			fmt.Sprint("sysv:", int64(id)+1<<32), gone.Address(), fmt.Sprint("sysv:", private.ID()),
			fmt.Sprint("sysv:", keyed.ID()), fmt.Sprint("sysv:", q.ID()),
			"sysv:00000000" + byID.Address()[5:], "sysvkey:" + key.String(), "sysvkey:0x00000000", "sysvkey:0X" + other.Address()[10:],
			"sysvkey:" + other.Address()[10:], other.Address() + "0", other.Address() + "\x00", "sysvkey: 0x" + other.Address()[10:],
		} {
			refused = append(refused, request(0, address, "hello"))
		}
		handled := 8
		if l.noIDs {
			refused = append(refused, request(0, byID.Address(), "hello"))
		} else {
			send(t, q, request(0, byID.Address(), "hello"))
			expect(t, byID, reply(2, 0, "HELLO"))
			handled++
		}
		for _, list := range [][][]byte{malformed, expired, refused} {
			for _, b := range list {
				send(t, q, b)
			}
		}
		send(t, q, request(0, full.Address(), "hello"))
		send(t, q, request(math.MaxInt64, inbox.Address(), "hello"))
		// Metadata and unknown fields are skipped.
		send(t, q, withMetadata(0, inbox.Address(), "\x01k\x01\x00v\x02\x00z\x01\x00v"))
		send(t, q, withMetadata(1, inbox.Address(), due(t, q, time.Minute)))
		send(t, q, withMetadata(1, inbox.Address(), due(t, q, math.MaxInt64)))
		foreign := []byte(due(t, q, -time.Hour)) // another clock
		foreign[5]++
		send(t, q, withMetadata(time.Now().Add(time.Hour).UnixNano(), inbox.Address(), string(foreign)))
		send(t, q, request(0, inbox.Address(), ""))
		send(t, q, request(0, other.Address(), "hello"))
		for range 5 {
			expect(t, inbox, reply(2, 0, "HELLO"))
		}
		expect(t, inbox, reply(3, 1, "nothing to put in upper case"))
		expect(t, other, reply(2, 0, "HELLO"))

		for _, victim := range []*sysv.Queue{private, keyed} {
			if m, err := victim.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
				t.Errorf("%v has %q, %v", victim, m.Data, err)
			}
		}
		s.end(t, fmt.Sprintf("handled %d, malformed %d, expired %d, refused %d, replies lost 1\n",
			handled, len(malformed), len(expired), len(refused)))
	})
}

func TestServersKeepToTheLimitsOfTheSystem(t *testing.T) {
	inEach(t, func(t *testing.T, l language) {
		testutil.NeedNamespace(t)
		set := func(limit, value string) {
			t.Helper()
			path := "/proc/sys/kernel/" + limit
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.WriteFile(path, old, 0) })
		}
		set("msgmax", "60000")
		set("msgmnb", "200000")
		q := newQueue(t)
		s := l.startServer(t, q)
		large := l.newInbox(t)
		set("msgmnb", "200")
		small := l.newInbox(t)

		text := strings.Repeat("x", 50_000) // more than the server expects at first
		send(t, q, request(0, large.Address(), text))
		expect(t, large, reply(2, 0, strings.ToUpper(text)))
		if l.noRoom {
			s.end(t, "handled 1, malformed 0, expired 0, refused 0, replies lost 0\n")
			return
		}
		send(t, q, request(0, small.Address(), text))
		expect(t, small, reply(3, 3, "the reply does not fit into the inbox"))
		s.end(t, "handled 2, malformed 0, expired 0, refused 0, replies lost 0\n")
	})
}

// A reply without room is kept until the deadline of its request, and delays nobody
// else.
func TestServersKeepRepliesWithoutRoom(t *testing.T) {
	inEach(t, func(t *testing.T, l language) {
		q := newQueue(t)
		s := l.startServer(t, q)
		slow, gone, dead, other := l.newInbox(t), l.newInbox(t), l.newInbox(t), l.newInbox(t)
		for _, in := range []mq.Inbox{slow, gone, dead} {
			for in.TrySend(mq.Message{Type: 1, Data: make([]byte, 100)}) == nil {
			}
			for in.TrySend(mq.Message{Type: 1}) == nil {
			}
		}
		minute := due(t, q, time.Minute)
		send(t, q, withMetadata(0, other.Address(), minute))
		expect(t, other, reply(2, 0, "HELLO")) // it has started
		const n = 20
		pause := time.After(time.Second)
		send(t, q, withMetadata(0, dead.Address(), due(t, q, time.Second)))
		for i := range n {
			b := withMetadata(0, slow.Address(), minute)
			send(t, q, append(b, fmt.Sprint(i)...))
		}
		send(t, q, withMetadata(0, gone.Address(), minute))
		send(t, q, withMetadata(0, other.Address(), minute))
		expect(t, other, reply(2, 0, "HELLO"))
		if err := gone.Remove(); err != nil {
			t.Fatal(err)
		}
		<-pause // while another client is stopped
		for i := 0; i < n; {
			m, err := slow.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if bytes.HasPrefix(m.Data, []byte("ipcq")) {
				if want := reply(2, 0, fmt.Sprint("HELLO", i)); string(m.Data) != want {
					t.Fatalf("got %q, want %q", m.Data, want)
				}
				i++
			}
		}
		send(t, q, withMetadata(0, other.Address(), minute)) // so that the server has checked the late one
		expect(t, other, reply(2, 0, "HELLO"))
		s.end(t, fmt.Sprintf("handled %d, malformed 0, expired 0, refused 0, replies lost 2\n", n+5))
	})
}
