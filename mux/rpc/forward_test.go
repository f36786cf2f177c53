package rpc_test

import (
	"bytes"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux/rpc"
)

// A distant queue is on another host.
type distant struct{ host }

func (d distant) Capabilities() mq.Capabilities {
	c := d.host.Capabilities()
	c.Remote = true
	return c
}

// What forwards a request rewrites its deadline, whatever the clocks say: by the clock
// of the other queue and the wall clock of this host, or not at all.
func TestForwardRewritesDeadlines(t *testing.T) {
	for _, c := range []struct {
		name      string
		wall, due time.Duration // that the request has left; 0 for none
		from, to  mq.Queue
		left      time.Duration // by the wall clock afterwards; 0 for a request that stays as it is
		leftThere time.Duration // by the clock of to; 0 for none
	}{
		{"from a clock that is ahead to one that is behind", -time.Hour, time.Minute, host{id: 1, ahead: time.Hour}, host{id: 2, ahead: -time.Hour}, time.Minute, time.Minute},
		{"from another host", -time.Hour, time.Minute, distant{host{id: 1, ahead: time.Hour}}, host{id: 2, ahead: -time.Hour}, time.Minute, time.Minute},
		{"late", time.Hour, -time.Minute, host{id: 1}, host{id: 2}, -time.Minute, -time.Minute},
		{"to a queue without a clock", time.Hour, time.Minute, host{id: 1}, clockless{}, time.Minute, 0},
		{"to a queue whose clock cannot be read", time.Hour, time.Minute, host{id: 1}, host{id: 2, err: fs.ErrNotExist}, time.Minute, 0},
		{"by the wall clock of this host", time.Minute, 0, host{id: 1}, host{id: 2, ahead: time.Hour}, time.Minute, time.Minute},
		{"by the wall clock of another host", time.Minute, 0, distant{host{id: 1}}, host{id: 2}, 0, 0},
		{"by a clock that cannot be read here", time.Minute, time.Hour, distant{host{id: 1, err: fs.ErrNotExist}}, host{id: 2}, 0, 0},
		{"no deadline", 0, 0, host{id: 1}, host{id: 2}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := mqtest.New(nil)
				defer q.Close()
				with := func(other mq.Queue) mq.Queue {
					switch x := other.(type) {
					case host:
						x.Queue = q
						return x
					case distant:
						x.Queue = q
						return x
					}
					return clockless{q, q}
				}
				from, to := with(c.from), with(c.to)
				var wall time.Time
				if c.wall != 0 {
					wall = time.Now().Add(c.wall)
				}
				md := rpc.Metadata{"traceparent": "00-1", "k": strings.Repeat("v", 100)}
				h := rpc.MakeHeaderWith("sysv:32769", md).WithDeadline(wall)
				if c.due != 0 {
					now := clockOf(t, from)
					h = h.WithDue(mq.ClockTime{ID: now.ID, Time: now.Time + c.due})
				}
				sent := h.Append(nil, []byte("payload"))
				// A field of a later version stays where it is.
				sent = bytes.Replace(sent, []byte("\x01k"), []byte("\x02\x00z\x01\x00!\x01k"), 1)
				sent[34] += 6
				before := bytes.Clone(sent)
				got := rpc.Forward(t.Context(), sent, from, to)
				if !bytes.Equal(sent, before) {
					t.Error("it has changed what it was given")
				}
				if c.left == 0 {
					if !bytes.Equal(got, before) {
						t.Errorf("it has made\n%q of\n%q", got, before)
					}
					return
				}
				h, payload, err := rpc.ParseHeader(got)
				if err != nil || string(payload) != "payload" || h.Address() != "sysv:32769" || !maps.Equal(h.Metadata(), md) || !bytes.Contains(got, []byte("\x02\x00z\x01\x00!")) {
					t.Fatalf("%q: %v", got, err)
				}
				if left := time.Until(h.Deadline()); left != c.left {
					t.Errorf("%v left by the wall clock, not %v", left, c.left)
				}
				if c.leftThere == 0 {
					if h.Due().ID != [16]byte{} {
						t.Errorf("it is due by a clock that is not there: %v", h.Due())
					}
					return
				}
				if now := clockOf(t, to); h.Due().ID != now.ID || h.Due().Time-now.Time != c.leftThere {
					t.Errorf("%v left by the clock of the queue %x, not %v by that of %x", h.Due().Time-now.Time, h.Due().ID, c.leftThere, now.ID)
				}
			})
		})
	}
}

// clockOf reads a clock that can be read.
func clockOf(t *testing.T, q mq.Queue) mq.ClockTime {
	t.Helper()
	var now mq.ClockTime
	var err error
	switch x := q.(type) {
	case host:
		x.err = nil
		now, err = x.Clock(t.Context())
	case distant:
		x.err = nil
		now, err = x.Clock(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// What is no request is not touched, and where there is no room the field is left out.
func TestForwardLeavesTheRestAsItIs(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	from, to := host{Queue: q, id: 1}, host{Queue: q, id: 2}
	soon := time.Now().Add(time.Hour)
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("ipcq and more that is no header, although it is long enough"),
		"reply": rpc.MakeHeader(rpc.KindReply, 0, 1, 2, soon, "").Append(nil, []byte("x")),
		"error": rpc.MakeHeader(rpc.KindError, 1, 1, 2, soon, "").Append(nil, []byte("x")),
	} {
		if got := rpc.Forward(t.Context(), data, from, to); !bytes.Equal(got, data) {
			t.Errorf("%s: it has made\n%q of\n%q", name, got, data)
		}
	}
	small := mqtest.New(&mqtest.Config{MaxMessage: 100, Capacity: 100})
	defer small.Close()
	largest := rpc.MakeHeader(rpc.KindRequest, 0, 1, 2, soon, "sysv:1").Append(nil, nil)
	largest = append(largest, make([]byte, 100-len(largest))...)
	h, _, err := rpc.ParseHeader(rpc.Forward(t.Context(), largest, from, host{Queue: small, id: 2}))
	if err != nil || h.Due().ID != [16]byte{} || !h.Deadline().Equal(time.Unix(0, soon.UnixNano())) {
		t.Errorf("%v, %v, %v", h.Due(), h.Deadline(), err)
	}
}

func FuzzForward(f *testing.F) {
	f.Add(rpc.MakeHeaderWith("sysv:1", rpc.Metadata{"a": "b"}).WithDeadline(time.Unix(5, 0)).WithDue(mq.ClockTime{ID: [16]byte{15: 1}, Time: 9}).Append(nil, []byte("x")))
	f.Add(rpc.NewHeader("sysv:1"))
	q := mqtest.New(nil)
	from, to := host{Queue: q, id: 1}, host{Queue: q, id: 2}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		got := rpc.Forward(t.Context(), data, from, to)
		if !bytes.Equal(data, before) {
			t.Error("it has changed what it was given")
		}
		h, payload, err := rpc.ParseHeader(data)
		if err != nil {
			if !bytes.Equal(got, data) {
				t.Errorf("%q became %q", data, got)
			}
			return
		}
		after, same, err := rpc.ParseHeader(got)
		if err != nil || !bytes.Equal(payload, same) || after.Address() != h.Address() || !maps.Equal(after.Metadata(), h.Metadata()) {
			t.Errorf("%q became %q: %v", data, got, err)
		}
	})
}
