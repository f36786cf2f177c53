package pool_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"ipcmq/internal/pool"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
)

// take1 takes a message and lends it.
func take1(t *testing.T, p *pool.Pool, typ int64, payload string) *pool.Lent {
	t.Helper()
	s, ok := p.Claim()
	if !ok {
		t.Fatal("no slot is free")
	}
	take(s, typ, []byte(payload))
	l := s.Taken(len(payload), time.Minute)
	if l == nil {
		t.Fatal("not lent")
	}
	return l
}

// A message that was taken but not lent yet counts too; only its taker knows its
// length.
func TestALookSeesWhatIsBeingTaken(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	p := open(t, 4, 64)
	if _, err := pool.Look(segment(t)); err != nil {
		t.Fatal(err)
	}
	s, ok := p.Claim()
	if !ok {
		t.Fatal("no slot is free")
	}
	waits, ok := p.ClaimEmpty()
	if !ok {
		t.Fatal("no slot is free")
	}
	defer waits.Release()
	v, err := pool.Look(segment(t))
	if err != nil || v.Free != 3 || v.Held != 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	s.Expect([]byte("hello"))
	take(s, 7, []byte("hello"))
	v, err = pool.Look(segment(t))
	if err != nil || v.Free != 3 || v.Held != 1 || v.Due != 0 || len(v.Holders) != 1 || !v.Holders[0].Until.IsZero() || v.Holders[0].PID != os.Getpid() {
		t.Fatalf("%+v, %v", v, err)
	}
	all, err := pool.Messages(segment(t), v.Queue, 0)
	if err != nil || len(all) != 1 || all[0].Type != 7 || all[0].Length != -1 || all[0].Attempt != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	if data, _, err := pool.Payload(segment(t), v.Queue, all[0]); !errors.Is(err, mq.ErrEmpty) {
		t.Errorf("%q, %v", data, err)
	}
	l := s.Taken(5, time.Minute)
	if l == nil {
		t.Fatal("not lent")
	}
	if data, certain, err := pool.Payload(segment(t), v.Queue, all[0]); err != nil || string(data) != "hello" || !certain {
		t.Errorf("%q, %t, %v", data, certain, err)
	}
	l.Ack()
	if _, err := pool.Messages(segment(t), v.Queue+1, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of another queue: %v", err)
	}
	if _, err := pool.Look(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no segment: %v", err)
	}
}

// segment returns the id of the segment of open.
func segment(t testing.TB) int {
	t.Helper()
	id, errno := sys.Shmget(uint32(os.Getpid())<<8|0xa5, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	return id
}

func TestALookWaitsForNobody(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see, so that it looks dead to them")
	p := open(t, 64, 64)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if s, ok := p.Claim(); ok {
				take(s, 1, []byte("tick"))
				if l := s.Taken(4, time.Minute); l != nil {
					l.Nak(0)
				}
			}
			if l := p.Again(mq.Any(), time.Minute); l != nil {
				l.Ack()
			}
		}
	}()
	for range 300 {
		v, err := pool.Look(segment(t))
		if err != nil || v.Free < 0 || v.Held+v.Returned > 64 { // at different moments
			t.Errorf("%+v, %v", v, err)
		}
		all, err := pool.Messages(segment(t), v.Queue, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if m.Type != 1 || m.Length != 4 && m.Length != -1 || m.Attempt < 1 || m.Attempt > 2 {
				t.Errorf("%+v", m)
			}
			if data, _, err := pool.Payload(segment(t), v.Queue, m); err == nil && string(data) != "tick" {
				t.Errorf("%q", data)
			}
		}
	}
	close(stop)
	<-stopped
}

func FuzzLook(f *testing.F) {
	word := func(n ...uint64) (b []byte) {
		for _, n := range n {
			b = binary.NativeEndian.AppendUint64(b, n)
		}
		return b
	}
	f.Add(uint32(0), []byte("garbage"))
	f.Add(uint32(24), word(1<<40, 1<<40))                // slots, room
	f.Add(uint32(24), word(65536, 0))                    //
	f.Add(uint32(64), word(1<<63, 1<<63))                // more in use than there are
	f.Add(uint32(4096), word(1<<63-1, 1<<63, 1))         // owners
	f.Add(uint32(20480), word(1<<63-1, 3<<58, 4<<58, 5)) // words
	f.Add(uint32(20480+8*1028), word(1<<64-1, 1, 1<<63)) // times
	f.Add(uint32(20480+16*1028), word(1<<64-1, 1<<64-1, 1<<64-1, 1<<64-1))
	f.Fuzz(func(t *testing.T, at uint32, garbage []byte) {
		p := open(t, 4, 64)
		for i := range int64(3) {
			take1(t, p, i+1, "tick")
		}
		id := segment(t)
		s, errno := sys.ShmAttach(id, false)
		if errno != 0 {
			t.Fatal(errno)
		}
		defer s.Detach()
		words := s.Words(0, s.Size()/8)
		for i := 0; i+8 <= len(garbage); i += 8 {
			words[(int(at/8)+i/8)%len(words)].Store(binary.NativeEndian.Uint64(garbage[i:]))
		}
		v, err := pool.Look(id)
		if err == nil && (v.Free < 0 || v.Free > v.Slots || v.Dead+v.Unjudged > v.Held || v.Due > v.Held+v.Returned) {
			t.Errorf("%+v", v)
		}
		all, _ := pool.Messages(id, v.Queue, 0)
		for _, m := range all {
			data, _, err := pool.Payload(id, v.Queue, m)
			if err == nil && (len(data) > v.Room || m.Length > v.Room) || m.Until.Year() > 3000 {
				t.Errorf("%+v, %d bytes", m, len(data))
			}
		}
		words[0].Store(binary.NativeEndian.Uint64([]byte("ipcqpool"))) // so that it is removed
		words[1].Store(1)
		words[2].Store(7)
	})
}

func TestOtherSegmentsAreNotPools(t *testing.T) {
	id, errno := sys.Shmget(0, 4096*40+1719, sys.IPC_CREAT|0o600)
	if errno != 0 {
		testutil.Lacking(t, "System V shared memory")
	}
	defer sys.ShmRemove(id)
	if _, err := pool.Look(id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
