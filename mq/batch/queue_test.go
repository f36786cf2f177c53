package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
	"ipcmq/stream"
)

func add(tb testing.TB, b *batch.Queue, t int64, texts ...string) {
	tb.Helper()
	for _, text := range texts {
		if err := b.Add(tb.Context(), mq.Message{Type: t, Data: []byte(text)}); err != nil {
			tb.Fatal(err)
		}
	}
}

func flush(tb testing.TB, b *batch.Queue) {
	tb.Helper()
	if err := b.Flush(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// texts takes all messages and returns them as type:payload.
func texts(tb testing.TB, r mq.Receiver) (got []string) {
	tb.Helper()
	for {
		m, err := r.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			return got
		}
		if err != nil {
			tb.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d:%s", m.Type, m.Data))
	}
}

func expect(tb testing.TB, got []string, want ...string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("got %q, want %q", got, want)
	}
}

// memory returns an in-memory queue and a batch queue on another handle of it.
func memory(tb testing.TB, cfg *batch.Config) (*mqtest.Queue, *batch.Queue) {
	tb.Helper()
	q := mqtest.New(nil)
	tb.Cleanup(func() { q.Close() })
	return q, start(tb, q.Open(), cfg)
}

func TestAddGathersUntilFlush(t *testing.T) {
	q, b := memory(t, nil)
	add(t, b, 1, "a", "bc", "")
	if st := q.Stat(); st.Messages != 0 {
		t.Fatalf("%+v before Flush", st)
	}
	flush(t, b)
	flush(t, b) // has nothing to do
	if st := q.Stat(); st.Messages != 1 {
		t.Fatalf("%+v after Flush", st)
	}
	expect(t, texts(t, b), "1:a", "1:bc", "1:")
}

func TestASingleMessageIsSentUnchanged(t *testing.T) {
	q, b := memory(t, nil)
	add(t, b, 1, "alone")
	flush(t, b)
	add(t, b, 1, "first")
	add(t, b, 2, "of another type") // sends the first
	flush(t, b)
	expect(t, texts(t, q), "1:alone", "1:first", "2:of another type")
}

func TestPayloadsThatLookLikeFramesArriveUnchanged(t *testing.T) {
	_, b := memory(t, nil)
	fake := string(batch.Frame([]byte("not"), []byte("two")))
	if err := b.TrySend(mq.Message{Type: 1, Data: []byte(fake)}); err != nil {
		t.Fatal(err)
	}
	add(t, b, 1, fake)
	flush(t, b)
	add(t, b, 1, fake, "x", fake)
	flush(t, b)
	expect(t, texts(t, b), "1:"+fake, "1:"+fake, "1:"+fake, "1:x", "1:"+fake)
}

func TestFullFramesAreSent(t *testing.T) {
	q, b := memory(t, &batch.Config{Size: 4 + 3*11})
	for i := range 7 {
		add(t, b, 1, fmt.Sprintf("message %02d", i)[:10])
	}
	if st := q.Stat(); st.Messages != 2 {
		t.Errorf("%+v, want 2 full frames", st)
	}
	add(t, b, 1, "longer than a frame, which is sent by itself")
	if st := q.Stat(); st.Messages != 4 {
		t.Errorf("%+v, want 2 full frames, one that was flushed and a long message", st)
	}
	if got := texts(t, b); len(got) != 8 || !strings.HasPrefix(got[7], "1:longer") {
		t.Errorf("got %q", got)
	}
}

func TestSendComesAfterWhatWasAdded(t *testing.T) {
	_, b := memory(t, nil)
	add(t, b, 1, "a", "b")
	if err := b.Send(t.Context(), mq.Message{Type: 1, Data: []byte("c")}); err != nil {
		t.Fatal(err)
	}
	add(t, b, 1, "d", "e")
	if n, err := b.SendBatch(t.Context(), []mq.Message{{Type: 1, Data: []byte("f")}, {Type: 2, Data: []byte("g")}, {Type: 2}}); n != 3 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	expect(t, texts(t, b), "1:a", "1:b", "1:c", "1:d", "1:e", "1:f", "2:g", "2:")
}

func TestMaxAgeSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, b := memory(t, &batch.Config{MaxAge: time.Second})
		started := time.Now()
		add(t, b, 1, "a")
		time.AfterFunc(900*time.Millisecond, func() { add(t, b, 1, "b") })
		m, err := q.Receive(t.Context())
		if err != nil || batch.Parse(m.Data) != 2 || time.Since(started) != time.Second {
			t.Errorf("got %q, %v after %v", m.Data, err, time.Since(started))
		}
		// The age of the next ones counts, whatever the timer was set for.
		<-time.After(300 * time.Millisecond)
		add(t, b, 1, "c")
		flush(t, b)
		q.Receive(t.Context())
		<-time.After(700 * time.Millisecond)
		started = time.Now()
		add(t, b, 1, "d", "e")
		m, err = q.Receive(t.Context())
		if err != nil || batch.Parse(m.Data) != 2 || time.Since(started) != time.Second {
			t.Errorf("got %q, %v after %v", m.Data, err, time.Since(started))
		}
		b.Close()
		q.Close()
	})
}

func TestSelectorsSeeFrames(t *testing.T) {
	_, b := memory(t, nil)
	for _, typ := range []int64{5, 2, 9} {
		add(t, b, typ, "a", "b")
	}
	flush(t, b)
	for _, c := range []struct {
		s    mq.Selector
		want string
	}{{mq.Type(9), "9:a"}, {mq.UpTo(5), "2:a"}, {mq.Except(2), "9:b"}, {mq.Any(), "2:b"}, {mq.Any(), "5:a"}} {
		r, err := b.Select(c.s)
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.TryReceive()
		if got := fmt.Sprintf("%d:%s", m.Type, m.Data); err != nil || got != c.want {
			t.Errorf("%v: %s, %v, want %s", c.s, got, err, c.want)
		}
	}
}

func TestHigherPrioritiesComeFirst(t *testing.T) {
	open := newPOSIX(t)
	b, other := start(t, open(), nil), start(t, open(), nil)
	for _, p := range []uint32{1, 7} {
		for _, text := range []string{"a", "b"} {
			if err := other.Add(t.Context(), mq.Message{Priority: p, Data: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	flush(t, other)
	var got []string
	for range 4 {
		m, err := b.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d:%s", m.Priority, m.Data))
	}
	expect(t, got, "7:a", "7:b", "1:a", "1:b")
}

func TestLeavingALoopLosesNothing(t *testing.T) {
	_, b := memory(t, nil)
	add(t, b, 1, "a", "b", "c", "d")
	flush(t, b)
	var got []string
	for _, all := range []func(func(mq.Message, error) bool){mq.All(t.Context(), b), mq.AllInto(t.Context(), b)} {
		for m, err := range all {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(m.Data))
			break
		}
	}
	expect(t, got, "a", "b")
	if err := b.Close(); !errors.Is(err, mq.ErrUnread) || !strings.Contains(err.Error(), "2 messages") {
		t.Errorf("Close: %v", err)
	}
	unread := b.Unread()
	if len(unread) != 2 || string(unread[0].Data) != "c" || string(unread[1].Data) != "d" {
		t.Errorf("unread: %v", unread)
	}
	if err := b.Close(); err != nil || b.Unread() != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCloseKeepsWhatWasAdded(t *testing.T) {
	_, b := memory(t, nil)
	add(t, b, 4, "a", "b")
	if b.Unsent() != nil {
		t.Error("unsent messages of an open queue")
	}
	if err := b.Close(); !errors.Is(err, batch.ErrUnsent) {
		t.Errorf("Close: %v", err)
	}
	unsent := b.Unsent()
	if len(unsent) != 2 || unsent[0].Type != 4 || string(unsent[0].Data) != "a" || string(unsent[1].Data) != "b" {
		t.Errorf("unsent: %v", unsent)
	}
	if err := errors.Join(b.Close(), b.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestShutdownFlushes(t *testing.T) {
	q, b := memory(t, nil)
	add(t, b, 4, "a", "b")
	if err := b.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	expect(t, texts(t, start(t, q.Open(), nil)), "4:a", "4:b")
}

func TestStreamsAndMuxesTakeMessages(t *testing.T) {
	_, b := memory(t, nil)
	add(t, b, 1, "a", "b", "c")
	add(t, b, 2, "d", "e")
	flush(t, b)
	s, err := stream.New(b, &stream.Config{Select: mq.Type(1), Buffer: 1})
	if err != nil {
		t.Fatal(err)
	}
	if m := <-s.Messages(); string(m.Data) != "a" {
		t.Errorf("got %q", m.Data)
	}
	s.Close()
	for _, m := range s.Unread() { // what the stream had taken; the rest is still in b
		if err := b.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	m, err := mux.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	got := map[string]bool{}
	ones, _ := m.Subscribe(mq.Type(1), nil)
	twos, _ := m.Subscribe(mq.Type(2), nil)
	for range 2 {
		got["1:"+string((<-ones.Messages()).Data)] = true
		got["2:"+string((<-twos.Messages()).Data)] = true
	}
	for _, want := range []string{"1:b", "1:c", "2:d", "2:e"} {
		if !got[want] {
			t.Errorf("got %v, no %s", got, want)
		}
	}
}

func TestReceivedPayloadsDoNotOverlap(t *testing.T) {
	_, b := memory(t, nil)
	for range 3 { // so that memory is reused
		add(t, b, 1, "aaaa", "bbbb", "cccc", "dddd")
		flush(t, b)
		first, err := b.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		reused := mq.Message{Data: make([]byte, 0, 64)}
		if err := b.TryReceiveInto(&reused); err != nil {
			t.Fatal(err)
		}
		third, err := b.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		first.Data = append(first.Data, "and more"...)
		copy(third.Data, "XXXX")
		fourth, err := b.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		if got := []string{string(first.Data), string(reused.Data), string(fourth.Data)}; !slices.Equal(got, []string{"aaaaand more", "bbbb", "dddd"}) {
			t.Errorf("got %q", got)
		}
	}
}

func TestNewRefusesInvalidConfigs(t *testing.T) {
	q := mqtest.New(&mqtest.Config{MaxMessage: 100})
	defer q.Close()
	for _, cfg := range []batch.Config{{Size: -1}, {Size: 4}, {Size: 101}, {MaxAge: -1}} {
		if _, err := batch.New(q, &cfg); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	for _, cfg := range []*batch.Config{nil, {}, {Size: 5}, {Size: 100}} {
		if _, err := batch.New(q, cfg); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestAddRefusesInvalidMessages(t *testing.T) {
	_, b := memory(t, nil)
	add(t, b, 1, "a")
	if err := b.Add(t.Context(), mq.Message{Type: 0}); !errors.Is(err, mq.ErrInvalidType) {
		t.Errorf("type 0: %v", err)
	}
	if err := b.TryAdd(mq.Message{Type: 1, Data: make([]byte, 8193)}); !errors.Is(err, mq.ErrTooLarge) {
		t.Errorf("8193 bytes: %v", err)
	}
	n, err := b.SendBatch(t.Context(), []mq.Message{{Type: 1}, {Type: 1}, {Type: -1}, {Type: 1}})
	if n != 2 || !errors.Is(err, mq.ErrInvalidType) {
		t.Errorf("%d, %v", n, err)
	}
	expect(t, texts(t, b), "1:a", "1:", "1:")
}

func TestACanceledAddAddsNothing(t *testing.T) {
	q, b := memory(t, &batch.Config{Size: 64})
	for q.TrySend(mq.Message{Type: 9, Data: make([]byte, 64)}) == nil {
	}
	add(t, b, 1, string(make([]byte, 50)))
	why := errors.New("gave up")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	late := mq.Message{Type: 1, Data: make([]byte, 50)}
	if err := b.Add(ctx, late); !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("Add: %v", err)
	}
	if err := b.TryAdd(late); !errors.Is(err, mq.ErrFull) {
		t.Errorf("TryAdd: %v", err)
	}
	if err := b.TrySend(late); !errors.Is(err, mq.ErrFull) {
		t.Errorf("TrySend: %v", err)
	}
	b.Close()
	if unsent := b.Unsent(); len(unsent) != 1 {
		t.Errorf("%d messages are unsent, want only the first", len(unsent))
	}
}
