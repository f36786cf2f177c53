package batch_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

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
		{"the magic alone", batch.Magic, 0},
		{"an empty message", batch.Magic + "\x00", 1},
		{"two messages", batch.Magic + "\x01a\x02bc", 2},
		{"a long message", batch.Magic + "\xac\x02" + long, 1},
		{"a message that is cut", batch.Magic + "\x03ab", 0},
		{"a byte too much", batch.Magic + "\x01a\x02b", 0},
		{"a length that is cut", batch.Magic + "\x80", 0},
		{"a length that is longer than need be", batch.Magic + "\x81\x00a", 0},
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

// received returns the payloads that b has now, each receive in another way.
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

// FuzzForeign has any bytes arrive from a program that need not know of frames:
// none is lost, whatever they are.
func FuzzForeign(f *testing.F) {
	for _, text := range []string{"", "hello", batch.Magic, batch.Magic + "\x00", batch.Magic + "\x01a\x02bc", batch.Magic + "\x03ab",
		batch.Magic + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", batch.Magic + "\x81\x00a"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		q := mqtest.New(&mqtest.Config{MaxMessage: 1 << 20, Capacity: 1 << 21})
		b := start(t, q, nil)
		if err := q.TrySend(mq.Message{Type: 3, Data: data}); err != nil {
			t.Fatal(err)
		}
		got := received(t, b)
		switch n := batch.Parse(data); {
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

// FuzzRoundTrip sends the pieces of data between marks, whatever they are, in
// frames of a size, and flushes after every few.
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
