package mux_test

import (
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

// TestMessagesNeedNoLockOfTheMux locks the mux while messages come.
func TestMessagesNeedNoLockOfTheMux(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	m := newMux(t, q, nil)
	all := subscribe(t, m, mq.Any(), nil)
	one := subscribe(t, m, mq.Type(1), nil)
	rest := subscribe(t, m, mq.UpTo(9), &mux.SubscribeConfig{Unclaimed: true, Buffer: 1})
	release := mux.HoldMux(m)
	defer release()
	for _, typ := range []int64{1, 2, 1} {
		send(t, q, typ, "x")
		expect(t, all.Messages(), "x")
		if typ == 1 {
			expect(t, one.Messages(), "x")
		}
	}
	if n := rest.Stats().Delivered; n != 0 {
		t.Errorf("%d messages that others claimed", n)
	}
}
