package rpc_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

// earlier reads the header like programs did before there were fields in it.
func earlier(b []byte) (kind byte, id, token uint64, deadline int64, address string, metadata map[string]string, payload []byte, ok bool) {
	number := binary.LittleEndian
	if len(b) < 40 || string(b[:5]) != "ipcq\x01" || b[5] < 1 || b[5] > 3 {
		return
	}
	n, m := int(number.Uint16(b[32:])), int(number.Uint16(b[34:]))
	if n > 255 || m > 1024 || 40+n+m > len(b) {
		return
	}
	metadata = map[string]string{}
	for rest := b[40+n : 40+n+m]; len(rest) > 0; {
		k := int(rest[0])
		if k == 0 || len(rest) < 1+k+2 {
			return
		}
		v := int(number.Uint16(rest[1+k:]))
		if len(rest) < 1+k+2+v {
			return
		}
		metadata[string(rest[1:1+k])] = string(rest[1+k+2 : 1+k+2+v])
		rest = rest[1+k+2+v:]
	}
	return b[5], number.Uint64(b[8:]), number.Uint64(b[16:]), int64(number.Uint64(b[24:])), string(b[40 : 40+n]), metadata, b[40+n+m:], true
}

// A server that knows no fields sees the deadline by the wall clock, and its
// reply is understood.
func TestAnEarlierServerAnswersThisClient(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	go func() {
		m, err := q.Receive(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		kind, id, token, deadline, address, metadata, payload, ok := earlier(m.Data)
		left := time.Until(time.Unix(0, deadline))
		if !ok || kind != 1 || string(payload) != "hello" || metadata["k"] != "v" || left < 20*time.Second || left > rpc.DefaultTimeout {
			t.Errorf("it reads kind %d, %q, %v, %v left, %t", kind, payload, metadata, left, ok)
		}
		in, err := q.OpenInbox(address)
		if err != nil {
			t.Error(err)
			return
		}
		defer in.Close()
		b := append([]byte("ipcq\x01\x02\x00\x00"), make([]byte, 32)...)
		binary.LittleEndian.PutUint64(b[8:], id)
		binary.LittleEndian.PutUint64(b[16:], token)
		if err := in.Send(t.Context(), mq.Message{Type: 1, Data: append(b, "HELLO"...)}); err != nil {
			t.Error(err)
		}
	}()
	got, err := client.Request(rpc.WithMetadata(t.Context(), rpc.Metadata{"k": "v"}), 7, []byte("hello"))
	if err != nil || string(got) != "HELLO" {
		t.Errorf("got %q, %v", got, err)
	}
}

// An earlier client sends no fields, and need not ignore any, since replies
// have none.
func TestThisServerAnswersAnEarlierClient(t *testing.T) {
	q := newQueue(t, nil)
	server := serve(t, q, 7, upper, nil)
	in := newInbox(t, q)
	b := append([]byte("ipcq\x01\x01\x00\x00"), make([]byte, 32)...)
	b[8], b[16] = 5, 6
	binary.LittleEndian.PutUint64(b[24:], uint64(time.Now().Add(time.Minute).UnixNano()))
	b[32] = byte(len(in.Address()))
	send(t, q, 7, string(b)+in.Address()+"hello")
	m, err := in.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kind, id, token, _, address, metadata, payload, ok := earlier(m.Data)
	if !ok || kind != 2 || id != 5 || token != 6 || address != "" || len(metadata) != 0 || string(payload) != "HELLO" {
		t.Errorf("got %q", m.Data)
	}
	server.awaitCounts(t, counts{handled: 1})
}

// What a later client may send, and how this server reacts.
func TestThisServerAndLaterClients(t *testing.T) {
	q := newQueue(t, nil)
	server := serve(t, q, 7, upper, nil)
	in := newInbox(t, q)
	request := func(change func(b []byte), fields string) {
		b := rpc.NewHeader(in.Address())
		b[8], b[16], b[34] = 5, 6, byte(len(fields))
		change(b)
		send(t, q, 7, string(b)+fields+"hello")
	}
	same := func([]byte) {}
	reply := rpc.MakeHeader(rpc.KindReply, 0, 5, 6, time.Time{}, "").Append(nil, []byte("HELLO"))
	now, err := q.Clock(t.Context())
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	due := func(d time.Duration, more string) string {
		b := binary.LittleEndian.AppendUint64(bytes.Clone(now.ID[:]), uint64(now.Time+d))
		return "\x02\x00d" + string(byte(24+len(more))) + "\x00" + string(b) + more
	}
	for name, fields := range map[string]string{
		"an unknown field":             "\x02\x00z\x03\x00abc",
		"one without a letter":         "\x01\x00\x00\x00",
		"one of a long name":           "\x09\x00deadline\x00\x00",
		"one twice":                    "\x02\x00z\x00\x00\x02\x00z\x00\x00",
		"a longer one":                 due(time.Minute, "and more"),
		"fields and metadata":          "\x01k\x01\x00v\x02\x00z\x03\x00abc" + due(time.Minute, ""),
		"reserved bytes are not zeros": "",
	} {
		request(func(b []byte) { copy(b[36:], "\xff\xff\xff\xff") }, fields)
		m, err := in.Receive(t.Context())
		if err != nil || !bytes.Equal(m.Data, reply) {
			t.Errorf("%s: got %q, %v", name, m.Data, err)
		}
	}
	handled := int(server.stats.Handled.Load())

	request(func(b []byte) { b[4] = 2; b[36] = 1 }, "")
	want := rpc.MakeHeader(rpc.KindError, rpc.CodeVersion, 5, 6, time.Time{}, "").Append(nil, []byte("this server knows version 1 of the header"))
	if m, err := in.Receive(t.Context()); err != nil || !bytes.Equal(m.Data, want) {
		t.Errorf("version 2: got %q, %v", m.Data, err)
	}
	bad := 1
	for name, c := range map[string]struct {
		change func([]byte)
		fields string
	}{
		"a reply of version 2":   {func(b []byte) { b[4], b[5] = 2, 2 }, ""},
		"an unknown kind":        {func(b []byte) { b[5] = 77 }, ""},
		"a short field":          {same, "\x02\x00d\x03\x00abc"},
		"a known field twice":    {same, due(time.Minute, "") + due(time.Minute, "")},
		"a field without an end": {same, "\x02\x00z\x03\x00ab"},
	} {
		request(c.change, c.fields)
		bad++
		server.awaitCounts(t, counts{handled: handled, malformed: bad})
		if m, err := in.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
			t.Errorf("%s: answered with %q", name, m.Data)
		}
	}
}

// What a later server may send: a client ignores what it does not know, and takes
// the reply that it knows.
func TestThisClientAndLaterServers(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	go func() {
		m, err := q.Receive(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		h, _, err := rpc.ParseHeader(m.Data)
		if err != nil {
			t.Error(err)
			return
		}
		in, err := q.OpenInbox(h.Address())
		if err != nil {
			t.Error(err)
			return
		}
		defer in.Close()
		for _, c := range []struct {
			at    int
			value byte
		}{{4, 2}, {5, 77}, {36, 1}} {
			b := append(bytes.Clone(m.Data[:40]), "\x02\x00z\x01\x00!\x01k\x01\x00vHELLO"...)
			b[5], b[32], b[33], b[34], b[35] = 2, 0, 0, 11, 0
			b[c.at] = c.value
			if err := in.Send(t.Context(), mq.Message{Type: 1, Data: b}); err != nil {
				t.Error(err)
			}
		}
	}()
	var md rpc.Metadata
	got, err := client.Request(rpc.WithReplyMetadata(t.Context(), &md), 7, nil)
	if err != nil || string(got) != "HELLO" || !maps.Equal(md, rpc.Metadata{"k": "v"}) {
		t.Errorf("got %q, %v, %v", got, md, err)
	}
	if st := client.Stats(); st.Foreign != 2 {
		t.Errorf("%+v", st)
	}
}
