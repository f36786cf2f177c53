package sysv_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestProgramsOfOtherWordsLeaseTheSameMessages(t *testing.T) {
	key := freeKey(t)
	q := openLending(t, key, time.Minute)
	r := lending(t, q, mq.Any())
	other := func(settle string) string {
		t.Helper()
		out, err := testutil.OtherWords(t, "lease one", fmt.Sprint(uint32(key)), settle).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	expectOther := func(settle, want string) {
		t.Helper()
		want = fmt.Sprintf("%d bits: %s", 96-strconv.IntSize, want)
		if got := other(settle); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for n := range int64(3) {
		send(t, q, n+1)
	}
	mine, err := r.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	expectOther("ack", "2, sequence 2, attempt 1")
	if err := mine.Nak(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	expectOther("ack", "1, sequence 1, attempt 2")
	if err := mine.Ack(t.Context()); !errors.Is(err, mq.ErrLeaseOver) {
		t.Errorf("got %v", err)
	}
	expectOther("end", "3, sequence 3, attempt 1") // the process ends while it has the message
	l, err := r.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if string(l.Message().Data) != "3" || l.Sequence() != 3 || l.Attempt() != 2 {
		t.Errorf("got %q, sequence %d, attempt %d", l.Message().Data, l.Sequence(), l.Attempt())
	}
	if err := l.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectUnused(t, q)
}

func init() {
	roles["lease one"] = func() {
		q, err := sysv.Open(sysv.Key(number(1)), &sysv.Config{OpenOnly: true})
		expect(err == nil, "%v", err)
		r, err := q.SelectLeases(mq.Any())
		expect(err == nil, "%v", err)
		l, err := r.Lease(context.Background())
		expect(err == nil, "%v", err)
		fmt.Printf("%d bits: %s, sequence %d, attempt %d", strconv.IntSize, l.Message().Data, l.Sequence(), l.Attempt())
		if os.Args[2] == "ack" {
			err = l.Ack(context.Background())
			expect(err == nil, "%v", err)
		}
	}
}
