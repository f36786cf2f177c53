package batch_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/mqtest"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name string
		data string
		want int
	}{
		{"nothing", "", 0},
		{"a text", "hello", 0},
		{"a part of the magic", batch.Magic[:3], 0},
		{"a message that was put back", string(batch.Wrap(1, 2, 0, []byte("a"))), 0},
		{"the most messages allowed", batch.Magic + strings.Repeat("\x00", 1<<16), 1 << 16},
		{"too many messages", batch.Magic + strings.Repeat("\x00", 1<<16+1), 0},
		{"only the magic", batch.Magic, 0},
		{"an empty message", batch.Magic + "\x00", 1},
		{"two messages", batch.Magic + "\x01a\x02bc", 2},
		{"a long message", batch.Magic + "\xac\x02" + long, 1},
		{"a truncated message", batch.Magic + "\x03ab", 0},
		{"one byte too many", batch.Magic + "\x01a\x02b", 0},
		{"a truncated length", batch.Magic + "\x80", 0},
		{"a length that is not minimal", batch.Magic + "\x81\x00a", 0},
		{"a length beyond 64 bits", batch.Magic + strings.Repeat("\xff", 10) + "\x01", 0},
		{"a length near 64 bits", batch.Magic + strings.Repeat("\xff", 9) + "\x01", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := batch.Parse([]byte(c.data)); got != c.want {
				t.Errorf("%d messages, want %d", got, c.want)
			}
		})
	}
}

func TestUnwrap(t *testing.T) {
	prefix := string(batch.Wrap(0, 0, 0, nil)[:4])
	for _, c := range []struct {
		name     string
		data     string
		sequence uint64
		attempts uint32
		delay    time.Duration
		payload  string
		ok       bool
	}{
		{"nothing", "", 0, 0, 0, "", false},
		{"a frame", batch.Magic + "\x01a", 0, 0, 0, "", false},
		{"the beginning", prefix, 0, 0, 0, "", false},
		{"a number", prefix + "\x07", 0, 0, 0, "", false},
		{"an empty message", prefix + "\x07\x01\x00", 7, 1, 0, "", true},
		{"a message", prefix + "\xac\x02\x01\x05text", 300, 1, 5 * time.Millisecond, "text", true},
		{"the largest", string(batch.Wrap(1<<64-1, 1<<31-1, 0, []byte("x"))), 1<<64 - 1, 1<<31 - 1, 0, "x", true},
		{"no delay", prefix + "\x07\x01", 0, 0, 0, "", false},
		{"a delay too long for a time", prefix + "\x07\x01" + strings.Repeat("\xff", 7) + "\x7ftext", 0, 0, 0, "", false},
		{"too many attempts", string(batch.Wrap(1, 1<<31, 0, []byte("x"))), 0, 0, 0, "", false},
		{"a number that is not minimal", prefix + "\x81\x00\x01\x00text", 0, 0, 0, "", false},
		{"a number beyond 64 bits", prefix + strings.Repeat("\xff", 10) + "\x01\x01\x00", 0, 0, 0, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			sequence, attempts, delay, payload, ok := batch.Unwrap([]byte(c.data))
			if sequence != c.sequence || attempts != c.attempts || delay != c.delay || string(payload) != c.payload || ok != c.ok {
				t.Errorf("got %d, %d, %v, %q, %v", sequence, attempts, delay, payload, ok)
			}
		})
	}
}

// received returns the payloads that b has now, using the receiving methods in
// turn.
func received(tb testing.TB, b *batch.Queue) (got [][]byte) {
	tb.Helper()
	var reused mq.Message
	for i := 0; ; i++ {
		var m mq.Message
		var err error
		switch i % 4 {
		case 0:
			m, err = b.TryReceive()
		case 1:
			err = b.TryReceiveInto(&m)
		default:
			err = b.TryReceiveInto(&reused)
			m = reused
			m.Data = bytes.Clone(reused.Data)
		}
		if errors.Is(err, mq.ErrEmpty) {
			return got
		}
		if err != nil {
			tb.Fatal(err)
		}
		if m.Type != 3 || m.Data == nil && len(m.Data) > 0 {
			tb.Fatalf("got %+v", m)
		}
		got = append(got, m.Data)
	}
}

// FuzzForeign sends any bytes like a program that does not know frames: none
// are lost.
func FuzzForeign(f *testing.F) {
	for _, text := range []string{"", "hello", batch.Magic, batch.Magic + "\x00", batch.Magic + "\x01a\x02bc", batch.Magic + "\x03ab",
		batch.Magic + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", batch.Magic + "\x81\x00a", string(batch.Wrap(300, 2, 0, []byte("abc")))} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		q := mqtest.New(&mqtest.Config{MaxMessage: 1 << 20, Capacity: 1 << 21})
		b := start(t, q, nil)
		if err := q.TrySend(mq.Message{Type: 3, Data: data}); err != nil {
			t.Fatal(err)
		}
		got := received(t, b)
		sequence, attempts, delay, payload, wrapped := batch.Unwrap(data)
		switch n := batch.Parse(data); {
		case wrapped:
			if len(got) != 1 || !bytes.Equal(got[0], payload) || !bytes.Equal(batch.Wrap(sequence, attempts, delay, payload), data) {
				t.Errorf("%q arrived as %q", data, got)
			}
		case n == 0:
			if len(got) != 1 || !bytes.Equal(got[0], data) {
				t.Errorf("%q arrived as %q", data, got)
			}
		case len(got) != n || !bytes.Equal(batch.Frame(got...), data):
			t.Errorf("%q of %d messages arrived as %q", data, n, got)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzRoundTrip splits data into messages, sends them in frames of some size,
// and flushes after every few.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("a,bc,,"+batch.Magic+","+batch.Magic+"\x01a,def"), uint16(20), uint8(3))
	f.Add([]byte(",,,"), uint16(5), uint8(0))
	f.Add([]byte(strings.Repeat("x", 200)+","+strings.Repeat("y", 127)+","+strings.Repeat("z", 128)), uint16(140), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, size uint16, every uint8) {
		q := mqtest.New(&mqtest.Config{MaxMessage: 1 << 20, Capacity: 1 << 22})
		b := start(t, q, &batch.Config{Size: max(5, int(size))})
		pieces := bytes.Split(data, []byte(","))
		var messages []mq.Message
		for i, p := range pieces {
			m := mq.Message{Type: 3, Data: p}
			messages = append(messages, m)
			if err := b.TryAdd(m); err != nil {
				t.Fatal(err)
			}
			if every > 0 && i%int(every) == 0 {
				if err := b.Flush(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n, err := b.SendBatch(context.Background(), messages); n != len(messages) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		got := received(t, b)
		want := append(slices.Clone(pieces), pieces...)
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%q arrived as %q", want, got)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzLeases lends any bytes message by message: each is given back, lent again
// unchanged and with its number, and then removed.
func FuzzLeases(f *testing.F) {
	for _, text := range []string{"", "hello", batch.Magic, batch.Magic + "\x00", batch.Magic + "\x01a\x02bc", batch.Magic + "\x00\x00\x00", string(batch.Wrap(300, 2, 0, []byte("abc")))} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, delay, _, _ := batch.Unwrap(data); delay > 0 {
			return // it would have to wait
		}
		q := mqtest.New(&mqtest.Config{MaxMessage: 1 << 20, Capacity: 1 << 21, Lease: time.Minute})
		b := start(t, q, nil)
		if err := q.TrySend(mq.Message{Type: 3, Data: data}); err != nil {
			t.Fatal(err)
		}
		messages := max(1, batch.Parse(data))
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		first := map[uint64]mq.Lease{}
		r, err := b.SelectLeases(mq.Type(3))
		if err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			for n := 0; n < messages; {
				leases, err := r.LeaseBatch(ctx, messages-n)
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range leases {
					before, known := first[l.Sequence()]
					if round == 0 {
						first[l.Sequence()] = l
						err = l.Nak(ctx, 0)
					} else {
						err = l.Ack(ctx)
					}
					if err != nil || known != (round == 1) || l.Message().Type != 3 ||
						known && (l.Attempt() != before.Attempt()+1 || !bytes.Equal(l.Message().Data, before.Message().Data)) {
						t.Fatalf("lent %q, number %d, attempt %d; %v", l.Message().Data, l.Sequence(), l.Attempt(), err)
					}
					if n++; messages == 1 && n == 1 {
						break
					}
				}
			}
		}
		if st := q.Stat(); len(first) != messages || st.Messages != 0 || st.Leased != 0 {
			t.Errorf("%d numbers of %d messages; left: %+v", len(first), messages, st)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}
