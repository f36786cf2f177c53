package codec_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/codec"
	"ipcmq/mq/mqtest"
	"ipcmq/stream"
)

type order struct {
	ID    int      `json:"id"`
	Items []string `json:"items,omitempty"`
}

// reading is struct reading { int32_t sensor; double value; char unit[4]; uint16_t flags; };
type reading struct {
	Sensor int32
	_      [4]byte
	Value  float64
	Unit   [4]byte
	Flags  uint16
	_      [2]byte
}

func TestBinaryIsWhatCHasInMemory(t *testing.T) {
	c := codec.Binary[reading](binary.LittleEndian)
	v := reading{Sensor: -2, Value: 1.5, Unit: [4]byte{'m', '/', 's'}, Flags: 0x0102}
	data, err := c.Payload(v)
	// As gcc for amd64 lays it out, with zeros between.
	if got, want := hex.EncodeToString(data), "feffffff00000000000000000000f83f6d2f730002010000"; err != nil || got != want {
		t.Fatalf("got %s, %v, want %s", got, err, want)
	}
	copy(data[4:8], "junk") // what C leaves there
	got, err := c.Value(mq.Message{Data: data})
	if err != nil || got != v {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := c.Value(mq.Message{Data: data[1:]}); err == nil || !strings.Contains(err.Error(), "23 bytes") || !strings.Contains(err.Error(), "24") {
		t.Errorf("one byte less: %v", err)
	}
	if data, err := codec.Binary[uint16](binary.BigEndian).Payload(0x0102); err != nil || !bytes.Equal(data, []byte{1, 2}) {
		t.Errorf("got %v, %v", data, err)
	}
}

func TestBinaryRefusesWhatCLaysOutOtherwise(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a gap": {refusal[struct {
			A int32
			B float64
		}](), "in C, padding of 4 bytes comes before struct { A int32; B float64 }.B: put a field _ [4]byte"},
		"a gap at the end": {refusal[struct {
			A int64
			B byte
		}](), "in C, padding of 7 bytes comes at the end"},
		"a gap in an array": {refusal[[2]struct {
			A int16
			B byte
		}](), "in C, padding of 1 bytes comes at the end of [2]struct"},
		"an int":               {refusal[int](), "int has type int, which has no fixed size"},
		"a string in a struct": {refusal[struct{ Name string }](), ".Name has type string"},
		"a slice":              {refusal[[]int32](), "no fixed size"},
		"a pointer":            {refusal[*int32](), "no fixed size"},
		"an interface":         {refusal[any](), "no fixed size"},
		"an unexported field":  {refusal[struct{ a int32 }](), ".a is not exported"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, c.err, c.want)
		}
	}
}

// refusal returns the error of decoding a T, which should be that of encoding.
func refusal[T any]() error {
	c := codec.Binary[T](binary.NativeEndian)
	var v T
	_, encoding := c.Payload(v)
	_, decoding := c.Value(mq.Message{Data: make([]byte, 64)})
	if encoding == nil || decoding == nil || !strings.HasSuffix(encoding.Error(), errors.Unwrap(decoding).Error()) {
		return nil
	}
	return decoding
}

func TestValuesGoOnAfterWhatCannotBeDecoded(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	s, err := stream.New(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"id":1}`, `{"id":`, ``, `{"id":2,"items":["a"]}`} {
		if err := q.TrySend(mq.Message{Type: 7, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(seq func(func(order, error) bool)) {
		t.Helper()
		var got []order
		var bad []string
		for v, err := range seq {
			var e *codec.Error
			switch {
			case errors.As(err, &e):
				if e.Message.Type != 7 || !reflect.DeepEqual(v, order{}) {
					t.Errorf("value %+v with message %+v", v, e.Message)
				}
				bad = append(bad, string(e.Message.Data))
			case err != nil:
				t.Fatal(err)
			default:
				got = append(got, v)
			}
			if len(got) == 2 {
				break
			}
		}
		if !reflect.DeepEqual(got, []order{{ID: 1}, {ID: 2, Items: []string{"a"}}}) || !slices.Equal(bad, []string{`{"id":`, ``}) {
			t.Errorf("got %+v and %q", got, bad)
		}
	}
	check(codec.Values(s.Messages(), codec.JSON[order]()))
	s.Close()
	sender := codec.NewSender(q, mq.Message{Type: 7}, codec.JSON[order]())
	if err := errors.Join(sender.Send(t.Context(), order{ID: 1}), q.TrySend(mq.Message{Type: 7, Data: []byte(`{"id":`)}), q.TrySend(mq.Message{Type: 7}),
		sender.TrySend(order{ID: 2, Items: []string{"a"}})); err != nil {
		t.Fatal(err)
	}
	check(codec.All(mq.AllInto(t.Context(), q), codec.JSON[order]()))
}

func TestAllPassesTheErrorOfTheQueueOn(t *testing.T) {
	q := mqtest.New(nil)
	q.Close()
	n := 0
	for _, err := range codec.All(mq.All(t.Context(), q), codec.Text[string]()) {
		if n++; !errors.Is(err, mq.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	if n != 1 {
		t.Errorf("%d turns", n)
	}
}

func TestSenderSendsNothingThatCannotBeEncoded(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	s := codec.NewSender(q, mq.Message{Type: 3}, codec.JSON[any]())
	var unsupported *json.UnsupportedTypeError
	if err := s.Send(t.Context(), func() {}); !errors.As(err, &unsupported) {
		t.Errorf("Send: %v", err)
	}
	if err := s.TrySend(make(chan int)); !errors.As(err, &unsupported) {
		t.Errorf("TrySend: %v", err)
	}
	if st := q.Stat(); st.Messages != 0 {
		t.Errorf("%+v", st)
	}
	if err := s.TrySend("x"); err != nil {
		t.Fatal(err)
	}
	if m, err := q.TryReceive(); err != nil || m.Type != 3 || string(m.Data) != `"x"` {
		t.Errorf("got %+v, %v", m, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Send(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAPanicOfAUsersFunctionIsAnError(t *testing.T) {
	c := codec.Codec[int]{
		Encode: func(int) ([]byte, error) { panic("encode") },
		Decode: func(data []byte) (int, error) { return int(data[0]), nil },
	}
	var p *mq.PanicError
	if _, err := c.Payload(1); !errors.As(err, &p) || p.Value != "encode" {
		t.Errorf("Payload: %v", err)
	}
	var bad *codec.Error
	if _, err := c.Value(mq.Message{Type: 2}); !errors.As(err, &p) || !errors.As(err, &bad) || bad.Message.Type != 2 {
		t.Errorf("Value: %v", err)
	}
	var none codec.Codec[int]
	if _, err := none.Value(mq.Message{}); err == nil || !strings.Contains(err.Error(), "no Decode") {
		t.Errorf("Value: %v", err)
	}
	if _, err := none.Payload(1); err == nil || !strings.Contains(err.Error(), "no Encode") {
		t.Errorf("Payload: %v", err)
	}
}

// FuzzDecode gives any bytes to the codecs; what they accept comes back the same.
func FuzzDecode(f *testing.F) {
	data, err := codec.Binary[reading](binary.LittleEndian).Payload(reading{Sensor: 1, Value: 2})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{data, []byte(`{"id":1,"items":["a"]}`), []byte(`null`), []byte("\xff"), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		roundTrip(t, codec.Text[string](), data)
		roundTrip(t, codec.JSON[order](), data)
		roundTrip(t, codec.JSON[json.RawMessage](), data)
		raw := codec.Binary[[24]byte](binary.LittleEndian)
		roundTrip(t, raw, data)
		if v, err := codec.Binary[reading](binary.LittleEndian).Value(mq.Message{Data: data}); err == nil && v.Value == v.Value {
			roundTrip(t, codec.Binary[reading](binary.LittleEndian), data)
		}
	})
}

// roundTrip decodes data, encodes the value and decodes that.
func roundTrip[T any](t *testing.T, c codec.Codec[T], data []byte) {
	t.Helper()
	before := bytes.Clone(data)
	v, err := c.Value(mq.Message{Data: data})
	if !bytes.Equal(data, before) {
		t.Fatalf("decoding changed %q to %q", before, data)
	}
	if err != nil {
		return
	}
	encoded, err := c.Payload(v)
	if err != nil {
		t.Fatalf("%+v of %q: %v", v, data, err)
	}
	w, err := c.Value(mq.Message{Data: encoded})
	if err != nil || !reflect.DeepEqual(canonical(t, c, v), canonical(t, c, w)) {
		t.Errorf("%q became %+v, then %q, then %+v, %v", data, v, encoded, w, err)
	}
}

func canonical[T any](t *testing.T, c codec.Codec[T], v T) []byte {
	t.Helper()
	data, err := c.Payload(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
