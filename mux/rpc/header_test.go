package rpc_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// headers are messages of each kind, and their parts.
var headers = []struct {
	name     string
	kind     rpc.Kind
	code     rpc.Code
	id       uint64
	token    uint64
	deadline time.Time
	address  string
	payload  string
	due      mq.ClockTime
	number   uint64
	window   uint32
}{
	{"request", rpc.KindRequest, 0, 1, 0x0123456789abcdef, time.Unix(1_700_000_000, 123_456_789), "sysv:32769", "hello", mq.ClockTime{}, 0, 0},
	{"request_by_the_clock_of_the_queue", rpc.KindRequest, 0, 1, 0x0123456789abcdef, time.Unix(1_700_000_000, 123_456_789), "sysv:32769", "hello",
		mq.ClockTime{ID: [16]byte{0x0a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xf9}, Time: time.Hour + 5}, 0, 0},
	{"request_without_deadline", rpc.KindRequest, 0, 0xffffffffffffffff, 1, time.Time{}, "posix:/ipcmq-inbox-1-2-A", "", mq.ClockTime{}, 0, 0},
	{"reply", rpc.KindReply, 0, 1, 0x0123456789abcdef, time.Time{}, "", "\x00\x01\xfe\xff", mq.ClockTime{}, 0, 0},
	{"error", rpc.KindError, rpc.CodePanicked, 258, 0x0123456789abcdef, time.Time{}, "", "handler panicked: ö", mq.ClockTime{}, 0, 0},
	{"request_of_a_client_with_a_key", rpc.KindRequest, 0, 2, 0x0123456789abcdef, time.Time{}, "sysvkey:0x0000002a", "hello", mq.ClockTime{}, 0, 0},
	{"request_for_many_replies", rpc.KindRequest, 0, 3, 4, time.Time{}, "sysv:32769", "hello", mq.ClockTime{}, 0, 16},
	{"one_of_many_replies", rpc.KindPart, 0, 3, 4, time.Time{}, "sysv:32770", "hello", mq.ClockTime{}, 1, 0},
	{"end_of_many_replies", rpc.KindEnd, 0, 3, 4, time.Time{}, "", "", mq.ClockTime{}, 0x0123456789, 0},
	{"more_replies", rpc.KindMore, 0, 3, 4, time.Time{}, "", "", mq.ClockTime{}, 24, 0},
	{"no_more_replies", rpc.KindLeft, 0, 3, 4, time.Time{}, "", "", mq.ClockTime{}, 0, 0},
}

// TestHeadersAreTheirGoldenFiles compares with the bytes that programs in other
// languages rely on: hexadecimal, 16 bytes per line.
func TestHeadersAreTheirGoldenFiles(t *testing.T) {
	for _, c := range headers {
		t.Run(c.name, func(t *testing.T) {
			got := rpc.MakeHeader(c.kind, c.code, c.id, c.token, c.deadline, c.address).WithDue(c.due).WithMany(c.number, c.window).Append(nil, []byte(c.payload))
			file := filepath.Join("testdata", c.name+".golden")
			if *update {
				var b strings.Builder
				for line := range bytesIn(got, 16) {
					b.WriteString(hex.EncodeToString(line) + "\n")
				}
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := hex.DecodeString(strings.Join(strings.Fields(string(b)), ""))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
			h, payload, err := rpc.ParseHeader(want)
			if err != nil || string(payload) != c.payload || h.Address() != c.address || !h.Deadline().Equal(c.deadline) || h.Due() != c.due || h.Number() != c.number || h.Window() != c.window {
				t.Errorf("parsed %+v, %q, %v", h, payload, err)
			}
			if again := h.Append(nil, payload); !bytes.Equal(again, want) {
				t.Errorf("appended again: %x", again)
			}
		})
	}
}

func bytesIn(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}

// TestHeadersAreAsSpecified builds them from the table in PROTOCOL.md, field by
// field.
func TestHeadersAreAsSpecified(t *testing.T) {
	for _, c := range headers {
		want := make([]byte, 40)
		copy(want[0:], "ipcq")
		want[4] = 1
		want[5] = map[rpc.Kind]byte{rpc.KindRequest: 1, rpc.KindReply: 2, rpc.KindError: 3, rpc.KindPart: 4, rpc.KindEnd: 5, rpc.KindMore: 7, rpc.KindLeft: 8}[c.kind]
		binary.LittleEndian.PutUint16(want[6:], uint16(c.code))
		binary.LittleEndian.PutUint64(want[8:], c.id)
		binary.LittleEndian.PutUint64(want[16:], c.token)
		if !c.deadline.IsZero() {
			binary.LittleEndian.PutUint64(want[24:], uint64(c.deadline.UnixNano()))
		}
		if c.number != 0 {
			binary.LittleEndian.PutUint64(want[24:], c.number)
		}
		binary.LittleEndian.PutUint16(want[32:], uint16(len(c.address)))
		want = append(want, c.address...)
		if c.due.ID != [16]byte{} {
			want[34] = 29
			want = append(append(want, 2, 0, 'd', 24, 0), c.due.ID[:]...)
			want = binary.LittleEndian.AppendUint64(want, uint64(c.due.Time))
		}
		if c.window != 0 {
			want[34] = 9
			want = binary.LittleEndian.AppendUint32(append(want, 2, 0, 'w', 4, 0), c.window)
		}
		want = append(want, c.payload...)
		got := rpc.MakeHeader(c.kind, c.code, c.id, c.token, c.deadline, c.address).WithDue(c.due).WithMany(c.number, c.window).Append(nil, []byte(c.payload))
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\ngot  %x\nwant %x", c.name, got, want)
		}
	}
}

func TestHeaderIgnoresReservedBytes(t *testing.T) {
	b := rpc.NewHeader("sysv:1")
	copy(b[36:40], "abcd")
	if h, payload, err := rpc.ParseHeader(b); err != nil || h.Address() != "sysv:1" || len(payload) != 0 {
		t.Errorf("%+v, %q, %v", h, payload, err)
	}
}

func TestHeaderAddressLengths(t *testing.T) {
	withClaim := func(n, claimed int) []byte {
		b := rpc.NewHeader(strings.Repeat("a", n))
		binary.LittleEndian.PutUint16(b[32:], uint16(claimed))
		return b
	}
	for _, c := range []struct {
		n, claimed int
		ok         bool
	}{
		{0, 0, true}, {255, 255, true}, {255, 254, true}, {0, 1, false}, {10, 11, false}, {256, 256, false}, {300, 255, true},
		{0, 0x7fff, false}, {0, 0x8000, false}, {0, 0xffff, false}, {70000, 0xffff, false},
	} {
		h, payload, err := rpc.ParseHeader(withClaim(c.n, c.claimed))
		if (err == nil) != c.ok || err == nil && (len(h.Address()) != c.claimed || len(payload) != c.n-c.claimed) {
			t.Errorf("an address of %d in %d bytes: %v", c.claimed, c.n, err)
		}
	}
}

// TestDeadlinesThatDoNotFitAreNone: "forever" must not become a time long ago.
func TestDeadlinesThatDoNotFitAreNone(t *testing.T) {
	for _, d := range []time.Time{time.Unix(1<<40, 0), time.Now().Add(1<<63 - 1)} {
		b := rpc.MakeHeader(rpc.KindRequest, 0, 1, 1, d, "").Append(nil, nil)
		if h, _, err := rpc.ParseHeader(b); err != nil || !h.Deadline().IsZero() {
			t.Errorf("%v became %v, %v", d, h.Deadline(), err)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, c := range headers {
		f.Add(rpc.MakeHeader(c.kind, c.code, c.id, c.token, c.deadline, c.address).WithDue(c.due).WithMany(c.number, c.window).Append(nil, []byte(c.payload)))
	}
	f.Add([]byte{})
	f.Add(rpc.MakeHeaderWith("sysv:1", rpc.Metadata{"a": "b", "traceparent": "00-0af7"}).Append(nil, []byte("x")))
	f.Add(rpc.MakeHeaderWith("", rpc.Metadata{"a": ""}).Append(nil, nil))
	f.Add(append(bytes.Replace(rpc.NewHeader("sysv:1"), []byte("\x06\x00\x00"), []byte("\x06\x00\x08"), 1), "\x02\x00z\x03\x00abcx"...))
	f.Add(rpc.NewHeader("x")[:39])
	f.Add(append(rpc.NewHeader("")[:32], 0xff, 0xff, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		h, payload, err := rpc.ParseHeader(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the message was changed")
		}
		if err != nil {
			return
		}
		if m := int(binary.LittleEndian.Uint16(b[34:])); len(h.Address()) > 255 || m > 1024 || 40+len(h.Address())+m+len(payload) != len(b) {
			t.Fatalf("an address of %d and a payload of %d in %d bytes", len(h.Address()), len(payload), len(b))
		}
		again := h.Append(nil, payload)
		if h2, payload2, err := rpc.ParseHeader(again); err != nil || !bytes.Equal(payload2, payload) || !maps.Equal(h2.Metadata(), h.Metadata()) || h2.Due() != h.Due() || h2.Window() != h.Window() || h2.Number() != h.Number() {
			t.Fatalf("parsed again: %+v, %q, %v", h2, payload2, err)
		}
		if len(h.Metadata()) > 1 || len(again) != len(before) || (h.Due().ID != [16]byte{} || h.Window() != 0) && len(h.Metadata()) > 0 || h.Due().ID != [16]byte{} && h.Window() != 0 {
			return // the pairs may have had another order, or were unknown fields
		}
		// Everything but the reserved bytes, and a deadline too far away.
		copy(before[36:40], again[36:40])
		if h.Number() == 0 && h.Deadline().IsZero() || binary.LittleEndian.Uint64(before[24:]) == 1<<63-1 {
			copy(before[24:32], again[24:32])
		}
		if !bytes.Equal(again, before) {
			t.Fatalf("from %x\nto   %x", before, again)
		}
	})
}
