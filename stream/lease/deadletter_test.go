package lease_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

func TestADeadLetterKeepsTheMessageAndWhyItDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, dead := lendingQueue(t), mqtest.New(nil)
		defer dead.Close()
		payload := []byte("\x00\n\xff ipcmq dead letter {}\n")
		if err := q.Send(t.Context(), mq.Message{Type: 7, Data: payload}); err != nil {
			t.Fatal(err)
		}
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			clear(d.Data) // DeadLetter gets it unchanged
			return fmt.Errorf("attempt %d: \"no\"\n<such> \xff thing", d.Attempt)
		}, &lease.Config{MaxAttempts: 3, DeadLetter: lease.ToQueue(dead)})
		<-time.After(time.Hour)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		empty(t, q)
		m, err := dead.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		const line = `ipcmq dead letter {"type":7,"sequence":1,"attempt":3,"time":"2000-01-01T00:00:03Z","error":"attempt 3: \"no\"\n<such> ` + "\ufffd" + ` thing"}` + "\n"
		if m.Type != 7 || string(m.Data) != line+string(payload) {
			t.Errorf("type %d: got\n%q\nwant\n%q", m.Type, m.Data, line+string(payload))
		}
		d, err := lease.ParseDeadLetter(m)
		if err != nil {
			t.Fatal(err)
		}
		if d.Type != 7 || d.Sequence != 1 || d.Attempt != 3 || d.Uncertain || d.Truncated || !bytes.Equal(d.Data, payload) ||
			d.Reason != "attempt 3: \"no\"\n<such> \ufffd thing" || !d.Time.Equal(time.Date(2000, 1, 1, 0, 0, 3, 0, time.UTC)) {
			t.Errorf("got %+v", d)
		}
	})
}

// A message that does not fit stays in its queue until it does.
func TestADeadLetterWithoutRoomWaitsInItsQueue(t *testing.T) {
	for _, c := range []struct {
		name string
		size int // of the payload
		want error
	}{
		{"a full queue", 1000, mq.ErrFull},
		{"a payload near the limit", 8192, mq.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, dead := lendingQueue(t), mqtest.New(&mqtest.Config{Capacity: 8192})
				defer dead.Close()
				if err := dead.TrySend(mq.Message{Type: 1, Data: make([]byte, 8000)}); err != nil {
					t.Fatal(err)
				}
				want := bytes.Repeat([]byte{7}, c.size)
				if err := q.Send(t.Context(), mq.Message{Type: 3, Data: want}); err != nil {
					t.Fatal(err)
				}
				handled, refused := 0, 0
				to := lease.ToQueue(dead)
				roomy := mqtest.New(&mqtest.Config{MaxMessage: 9000})
				defer roomy.Close()
				r := startHandling(t, q, func(context.Context, lease.Delivery) error {
					handled++
					return errors.New("broken")
				}, &lease.Config{MaxAttempts: 2,
					DeadLetter: func(ctx context.Context, d lease.Delivery, err error) error {
						if refused == 3 {
							to = lease.ToQueue(roomy)
						}
						return to(ctx, d, err)
					},
					OnError: func(_ lease.Delivery, err error) {
						if errors.Is(err, c.want) {
							refused++
						}
					}})
				<-time.After(time.Hour)
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				if handled != 2 || refused != 3 {
					t.Errorf("handled %d times, refused %d times", handled, refused)
				}
				empty(t, q)
				m, err := roomy.TryReceive()
				if err != nil {
					t.Fatal(err)
				}
				if d, err := lease.ParseDeadLetter(m); err != nil || d.Type != 3 || !bytes.Equal(d.Data, want) || !strings.Contains(d.Reason, "too many attempts: attempt 5") || !strings.HasSuffix(d.Reason, "failed with: broken") {
					t.Errorf("got %v, %+v", err, d)
				}
			})
		})
	}
}

// The payload comes first, then the error's text.
func TestOnlyTheReasonOfADeadLetterIsShortened(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 5000), strings.Repeat("\x00\"ä\u2028", 900), strings.Repeat("\xffa", 900), "short", ""} {
		cut := 0
		for size := 0; size <= 8192; size += 64 {
			q := mqtest.New(nil)
			d := lease.Delivery{Message: mq.Message{Type: 9, Data: bytes.Repeat([]byte("\n"), size)}, Sequence: 1 << 63, Attempt: 2, Uncertain: true,
				Header: mq.Header{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x": strings.Repeat("y", 1024)}}
			err := lease.ToQueue(q)(t.Context(), d, errors.New(text))
			if size < 8000 && err != nil || size > 8100 && !errors.Is(err, mq.ErrTooLarge) {
				t.Errorf("%d bytes: %v", size, err)
			}
			if err == nil {
				m, _ := q.TryReceive()
				got, err := lease.ParseDeadLetter(m)
				if err != nil || !bytes.Equal(got.Data, d.Data) || got.Type != 9 || got.Sequence != 1<<63 || !got.Uncertain {
					t.Fatalf("%d bytes: %v, %+v", size, err, got.Reason)
				}
				if whole := maps.Equal(got.Header, d.Header); whole != (size < 6900) && (size < 6700 || size > 7000) || !whole && got.Header != nil {
					t.Errorf("%d bytes: header %v", size, got.Header)
				}
				whole := strings.ToValidUTF8(text, "\ufffd")
				start, isCut := strings.CutSuffix(got.Reason, "…")
				if isCut {
					cut++
				}
				if !strings.HasPrefix(whole, start) || !isCut && got.Reason != whole && len(got.Reason) > 0 || len(got.Reason) > 1024 || !utf8.ValidString(got.Reason) {
					t.Errorf("%d bytes: %q", size, got.Reason)
				}
			}
			q.Close()
		}
		if (cut > 0) != (len(text) > 1024) {
			t.Errorf("%.10q is cut %d times", text, cut)
		}
	}
}

func TestOtherMessagesAreNotDeadLetters(t *testing.T) {
	const mark = "ipcmq dead letter "
	for _, data := range []string{
		"", "hello", mark, mark + "\n", mark + "{}\n", mark + "null\nx", mark + `{"attempt":1}`, mark + `{"attempt":0}` + "\n",
		mark + `{"attempt":-1}` + "\n", mark + `{"attempt":1,"type":-5}` + "\n", mark + `{"attempt":1} {}` + "\n",
		mark + `{"attempt":1,"type":9223372036854775808}` + "\n", mark + `{"attempt":1,"priority":-1}` + "\n", " " + mark + `{"attempt":1}` + "\n",
	} {
		if d, err := lease.ParseDeadLetter(mq.Message{Type: 1, Data: []byte(data)}); !errors.Is(err, lease.ErrNotDeadLetter) {
			t.Errorf("%q: %v, %+v", data, err, d)
		}
	}
	m := mq.Message{Data: []byte(mark + `{"later":[1],"attempt":1}` + "\n\n"), Truncated: true}
	if d, err := lease.ParseDeadLetter(m); err != nil || string(d.Data) != "\n" || d.Type != 0 || !d.Truncated {
		t.Errorf("%v, %+v", err, d)
	}
}

func FuzzParseDeadLetter(f *testing.F) {
	f.Add([]byte(`ipcmq dead letter {"type":7,"sequence":12,"attempt":5,"time":"2026-01-31T09:30:00Z","error":"no"}` + "\npayload"))
	f.Add([]byte(`ipcmq dead letter {"attempt":1,"header":{"a":"b"}}` + "\n"))
	f.Add([]byte(`ipcmq dead letter {"attempt":1,"uncertain":true,"truncated":true,"priority":9}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := lease.ParseDeadLetter(mq.Message{Data: data})
		if err != nil {
			if !errors.Is(err, lease.ErrNotDeadLetter) {
				t.Error(err)
			}
			return
		}
		if !bytes.HasSuffix(data, d.Data) || d.Attempt < 1 || d.Type < 0 {
			t.Errorf("%q: %+v", data, d)
		}
		// As a message that dies again, with that as the reason, it is parsed
		// to the same.
		q := mqtest.New(&mqtest.Config{MaxMessage: 1 << 20, Capacity: 1 << 20})
		defer q.Close()
		if err := lease.ToQueue(q)(t.Context(), d.Delivery, errors.New(d.Reason)); err != nil {
			t.Fatal(err)
		}
		m, _ := q.TryReceive()
		line, _, _ := bytes.Cut(m.Data, []byte("\n"))
		if !json.Valid(bytes.TrimPrefix(line, []byte("ipcmq dead letter "))) {
			t.Errorf("%q", line)
		}
		again, err := lease.ParseDeadLetter(m)
		same := again.Type == d.Type && again.Priority == d.Priority && again.Sequence == d.Sequence && again.Attempt == d.Attempt &&
			again.Uncertain == d.Uncertain && again.Truncated == d.Truncated && maps.Equal(again.Header, d.Header) && bytes.Equal(again.Data, d.Data)
		if err != nil || !same {
			t.Errorf("%v: %+v became %+v", err, d, again)
		}
	})
}
