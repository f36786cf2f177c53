package pool_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
	"time"

	"ipcmq/internal/pool"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
)

func TestMain(m *testing.M) { testutil.Main(m, nil) }

func open(t testing.TB, slots, room int) *pool.Pool {
	t.Helper()
	uid := uint32(os.Geteuid())
	q := pool.Queue{ID: 7, Key: uint32(os.Getpid())<<8 | 0xa5, UID: uid, CUID: uid, Mode: 0o600, Exists: func() bool { return true }}
	p, err := pool.Open(q, slots, room)
	if err != nil {
		if sys.ENOSYS.Is(err.Err) {
			testutil.Lacking(t, "System V shared memory")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		pool.Remove(q)
	})
	return p
}

// take does what msgrcv would do.
func take(s pool.Slot, typ int64, payload []byte) {
	sys.PutType(s.Buffer(), typ)
	copy(s.Buffer()[sys.TypeSize:], payload)
}

// The length of a message whose taker was killed is known if it is the expected
// one, and otherwise reported as uncertain.
func TestTheLengthOfAMessageTakenByADeadProcess(t *testing.T) {
	pool.SetGrace(time.Nanosecond) // as if it were dead
	defer pool.SetGrace(30 * time.Second)
	p := open(t, 1, 64)
	pattern := func() []byte { // of the room
		s, ok := p.Claim()
		if !ok {
			t.Fatal("no slot is free")
		}
		defer s.Release()
		return bytes.Clone(s.Buffer()[sys.TypeSize:])
	}()
	long := bytes.Repeat([]byte{pattern[0] ^ 0xff}, 64)
	for _, test := range []struct {
		name            string
		expected, taken []byte
		certain         bool
	}{
		{"as expected", long[:20], long[:20], true},
		{"as long as there is room for", long, long, true},
		{"empty", []byte{}, []byte{}, true},
		{"another of the same length", long[:20], append(bytes.Clone(long[:19]), pattern[19]^1), true},
		{"with a tail like the pattern", append(bytes.Clone(long[:10]), pattern[10:20]...), append(bytes.Clone(long[:10]), pattern[10:20]...), true},
		{"all like the pattern", pattern[:20], pattern[:20], true},
		{"longer", long[:20], long[:30], false},
		{"shorter", long[:20], long[:10], false},
		{"not expected", nil, long[:20], false},
	} {
		s, ok := p.Claim()
		if !ok {
			t.Fatal("no slot is free")
		}
		if test.expected != nil {
			s.Expect(test.expected)
		}
		take(s, 5, test.taken)
		var l *pool.Lent
		testutil.Await(t, func() error { // its grace begins with the first look
			l = p.Again(mq.Any(), time.Minute)
			if l == nil {
				return mq.ErrEmpty
			}
			return nil
		})
		if l.Type != 5 || l.Attempt != 1 || l.Unsure == test.certain || test.certain && !bytes.Equal(l.Data, test.taken) || !bytes.HasPrefix(test.taken, l.Data) {
			t.Errorf("%s: %d bytes, attempt %d, unsure %v", test.name, len(l.Data), l.Attempt, l.Unsure)
		}
		if s.Taken(len(test.taken), time.Minute) != nil {
			t.Errorf("%s: lent to both", test.name)
		}
		if !l.Ack() || l.Ack() || l.Nak(0) || l.Extend(time.Minute) {
			t.Errorf("%s: it was not acknowledged once", test.name)
		}
	}
}

func TestMessagesGivenBackComeInOrder(t *testing.T) {
	p := open(t, 8, 8)
	for _, typ := range []int64{3, 1, 2, 3} {
		s, ok := p.Claim()
		if !ok {
			t.Fatal("no slot is free")
		}
		b := binary.NativeEndian.AppendUint32(nil, uint32(typ))
		take(s, typ, b)
		if l := s.Taken(4, time.Minute); l == nil || !l.Nak(0) {
			t.Fatal("not given back")
		}
	}
	for _, test := range []struct {
		s    mq.Selector
		want int64
	}{{mq.UpTo(2), 1}, {mq.Except(3), 2}, {mq.Type(1), 0}, {mq.Any(), 3}, {mq.Type(3), 3}, {mq.Any(), 0}} {
		l := p.Again(test.s, time.Minute)
		if test.want == 0 {
			if l != nil {
				t.Errorf("%v: got type %d", test.s, l.Type)
			}
			continue
		}
		if l == nil || l.Type != test.want || l.Attempt != 2 || !l.Ack() {
			t.Errorf("%v: got %+v, want type %d", test.s, l, test.want)
		}
	}
}
