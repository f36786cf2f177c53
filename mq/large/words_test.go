package large_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
)

func TestProgramsOfOtherWordsExchangeLargePayloads(t *testing.T) {
	q := newQueue(t, false)
	l, err := large.Wrap(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	payload := bytes.Repeat([]byte("abcdefghij"), 50_000)
	for range 3 { // the second time the stores of both are there, with payloads in them
		if err := l.TrySend(mq.Message{Type: 1, Data: payload}); err != nil {
			t.Fatal(err)
		}
		if err := l.TrySend(mq.Message{Type: 1, Data: payload[1:]}); err != nil {
			t.Fatal(err)
		}
		out, err := testutil.OtherWords(t, "turn around", strconv.Itoa(q.ID())).Output()
		if want := fmt.Sprintf("%d bits", 96-strconv.IntSize); err != nil || string(out) != want {
			t.Fatalf("got %q, %v, want %q", out, err, want)
		}
		answers, err := l.Select(mq.Type(2))
		if err != nil {
			t.Fatal(err)
		}
		got, err := answers.TryReceive()
		if err != nil || !bytes.Equal(got.Data, bytes.ToUpper(payload)) {
			t.Fatalf("got %d bytes, %v", len(got.Data), err)
		}
		rest, err := l.TryReceive()
		if err != nil || !bytes.Equal(rest.Data, payload[1:]) {
			t.Fatalf("got %d bytes, %v", len(rest.Data), err)
		}
	}
}

func init() {
	roles["turn around"] = func() {
		id, err := strconv.Atoi(os.Args[1])
		expect(err == nil, "%v", err)
		q, err := sysv.OpenID(id, nil)
		expect(err == nil, "%v", err)
		l, err := large.Wrap(q, nil)
		expect(err == nil, "%v", err)
		m, err := l.Receive(context.Background())
		expect(err == nil, "%v", err)
		err = l.Send(context.Background(), mq.Message{Type: 2, Data: bytes.ToUpper(m.Data)})
		expect(err == nil, "%v", err)
		fmt.Printf("%d bits", strconv.IntSize)
		expect(l.Close() == nil, "close")
	}
}
