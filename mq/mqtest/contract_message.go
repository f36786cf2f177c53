package mqtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"ipcmq/mq"
)

var messagePromises = []promise{
	{"CapabilitiesAreDeclared", func(f *fixture) {
		kinds := f.can.Selectors
		if !slices.Contains(kinds, mq.SelectAny) {
			f.Errorf("Selectors = %v: every queue has SelectAny", kinds)
		}
		if len(kinds) > 1 && f.can.MaxType == 0 {
			f.Errorf("Selectors = %v, but MaxType = 0: there are no types to select", kinds)
		}
		if f.can.MaxType < 0 || f.can.MaxPayload < 0 {
			f.Errorf("negative limit in %+v", f.can)
		}
	}},

	{"MessagesArriveAsTheyWereSent", func(f *fixture) {
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		check := func(m mq.Message) {
			f.Helper()
			f.send(m)
			got := f.take(f.q)
			if got.Type != m.Type || got.Priority != m.Priority || !bytes.Equal(got.Data, m.Data) || got.Truncated {
				f.Fatalf("sent type %d, priority %d, %d bytes; got type %d, priority %d, %d bytes, Truncated %v, or other bytes",
					m.Type, m.Priority, len(m.Data), got.Type, got.Priority, len(got.Data), got.Truncated)
			}
			f.empty()
		}
		for _, size := range []int{0, 1, 7, 8, 9, 63, 64, f.largest() - 1, f.largest()} {
			m := f.message("")
			m.Data = bytes.Repeat(every, size/256+1)[:size]
			check(m)
		}
		if f.can.MaxType > 0 {
			for _, t := range []int64{1, 2, 255, 256, min(math.MaxInt32, f.can.MaxType), f.can.MaxType} {
				check(mq.Message{Type: t, Data: []byte("type")})
			}
		}
		if f.can.MaxPriority > 0 {
			for _, priority := range []uint32{0, 1, f.can.MaxPriority} {
				m := f.message("priority")
				m.Priority = priority
				check(m)
			}
		}
	}},

	{"WhatTheQueueHasNotIsIgnored", func(f *fixture) {
		m := f.message("x")
		if f.can.MaxType == 0 {
			m.Type = -5
		}
		if f.can.MaxPriority == 0 {
			m.Priority = math.MaxUint32
		}
		m.Truncated = true
		f.send(m)
		got := f.take(f.q)
		if f.can.MaxType == 0 && got.Type != 0 || f.can.MaxPriority == 0 && got.Priority != 0 || got.Truncated {
			f.Errorf("got type %d, priority %d, Truncated %v; want zero values", got.Type, got.Priority, got.Truncated)
		}
	}},

	{"FirstInIsFirstOut", func(f *fixture) {
		for i := range 8 {
			f.send(f.message(fmt.Sprint(i)))
		}
		for i := range 8 {
			if got := f.take(f.q); string(got.Data) != fmt.Sprint(i) {
				f.Fatalf("message %d is %q", i, got.Data)
			}
		}
	}},

	{"HighestPriorityIsFirstOut", func(f *fixture) {
		if f.can.MaxPriority == 0 {
			return
		}
		high := min(9, f.can.MaxPriority)
		for i, priority := range []uint32{0, high, 1, high, f.can.MaxPriority, 1, 0} {
			m := f.message(fmt.Sprint(i))
			m.Priority = priority
			f.send(m)
		}
		for _, want := range []string{"4", "1", "3", "2", "5", "0", "6"} {
			if got := f.take(f.q); string(got.Data) != want {
				f.Fatalf("got message %s (priority %d), want message %s", got.Data, got.Priority, want)
			}
		}
	}},

	{"SelectorsTakeWhatTheySelect", func(f *fixture) {
		if f.can.MaxType == 0 {
			return
		}
		for _, c := range []struct {
			selector mq.Selector
			want     string // the positions of the messages in the order they come
		}{
			{mq.Any(), "01234567"},
			{mq.Type(5), "047"},
			{mq.Type(4), ""},
			{mq.UpTo(1), "3"},
			{mq.UpTo(3), "3516"},
			{mq.UpTo(f.can.MaxType), "35160472"},
			{mq.Except(5), "12356"},
			{mq.Except(4), "01234567"},
		} {
			if !slices.Contains(f.can.Selectors, c.selector.Kind()) {
				continue
			}
			f := f
			if f.can.Exclusive { // then each needs its own queue
				f = newFixture(f.T, f.create)
			} else {
				f.drain()
			}
			types := []int64{5, 3, f.can.MaxType, 1, 5, 2, 3, 5}
			for i, t := range types {
				f.send(mq.Message{Type: t, Data: []byte{'0' + byte(i)}})
			}
			r, err := f.q.Select(c.selector)
			if err != nil {
				f.Fatalf("Select(%v), which Capabilities declares: %v", c.selector, err)
			}
			got := ""
			for len(got) <= len(types) {
				m, err := r.TryReceive()
				if err != nil {
					f.wants(err, mq.ErrEmpty)
					break
				}
				got += string(m.Data)
				if i := m.Data[0] - '0'; m.Type != types[i] {
					f.Errorf("%v: message %d has type %d, want %d", c.selector, i, m.Type, types[i])
				}
			}
			if got != c.want {
				f.Errorf("%v: got messages %q, want %q", c.selector, got, c.want)
			}
			if left := f.drainOthers(c.selector, types); left != len(types)-len(c.want) {
				f.Errorf("%v: %d messages left, want %d", c.selector, left, len(types)-len(c.want))
			}
		}
	}},

	{"OverlappingSelectorsExcludeEachOther", func(f *fixture) {
		if !f.can.Exclusive || !slices.Contains(f.can.Selectors, mq.SelectType) {
			return
		}
		// use selects s on another handle and receives once.
		use := func(f *fixture, s mq.Selector) error {
			r, err := f.handle().Select(s)
			if err == nil {
				_, err = r.TryReceive()
			}
			return err
		}
		f.wants(use(f, mq.Type(1)), mq.ErrEmpty)
		f.wants(use(f, mq.Type(2)), mq.ErrEmpty)
		f.wants(use(f, mq.Type(1)), mq.ErrEmpty)
		f.wants(use(f, mq.Any()), errors.ErrUnsupported)
		_, err := f.q.TryReceive()
		f.wants(err, errors.ErrUnsupported)
		_, err = f.q.Receive(f.patient())
		f.wants(err, errors.ErrUnsupported)

		f = newFixture(f.T, f.create)
		f.empty()
		f.wants(use(f, mq.Type(1)), errors.ErrUnsupported)
		f.wants(use(f, mq.Any()), mq.ErrEmpty)
	}},

	{"OtherSelectorsAreRefused", func(f *fixture) {
		for _, s := range []mq.Selector{mq.Type(1), mq.UpTo(1), mq.Except(1)} {
			if !slices.Contains(f.can.Selectors, s.Kind()) {
				_, err := f.q.Select(s)
				f.wants(err, errors.ErrUnsupported)
			}
		}
		for _, s := range []mq.Selector{mq.Type(0), mq.UpTo(0), mq.Except(0), mq.Type(-1), mq.UpTo(math.MinInt64)} {
			_, err := f.q.Select(s)
			f.wants(err, mq.ErrInvalidType)
		}
	}},

	{"SelectAnyIsTheQueueItself", func(f *fixture) {
		r, err := f.q.Select(mq.Any())
		if err != nil {
			f.Fatal(err)
		}
		var m mq.Message
		for i, receive := range []func() error{
			func() (err error) { m, err = r.Receive(f.patient()); return err },
			func() (err error) { return r.ReceiveInto(f.patient(), &m) },
			func() (err error) { m, err = r.TryReceive(); return err },
			func() (err error) { return r.TryReceiveInto(&m) },
		} {
			f.send(f.message(fmt.Sprint("message ", i)))
			if err := receive(); err != nil || string(m.Data) != fmt.Sprint("message ", i) {
				f.Errorf("method %d: got %q, %v", i, m.Data, err)
			}
		}
	}},

	{"TooLargeIsRefusedAtOnce", func(f *fixture) {
		if f.can.MaxPayload == 0 {
			return
		}
		m := f.message(string(make([]byte, f.can.MaxPayload+1)))
		refused := func() {
			f.Helper()
			f.wants(f.q.TrySend(m), mq.ErrTooLarge)
			f.wants(f.start(context.Background(), "Send of a message too large", func(ctx context.Context) error {
				return f.q.Send(ctx, m)
			}).await(), mq.ErrTooLarge)
		}
		refused()
		f.empty()
		f.fill()
		refused()
	}},

	{"InvalidTypesAreRefused", func(f *fixture) {
		if f.can.MaxType == 0 {
			return
		}
		types := []int64{0, -1, math.MinInt64}
		if f.can.MaxType < math.MaxInt64 {
			types = append(types, f.can.MaxType+1, math.MaxInt64)
		}
		for _, t := range types {
			m := mq.Message{Type: t, Data: []byte("x")}
			f.wants(f.q.Send(f.patient(), m), mq.ErrInvalidType)
			f.wants(f.q.TrySend(m), mq.ErrInvalidType)
		}
		f.empty()
	}},

	{"InvalidPrioritiesAreRefused", func(f *fixture) {
		if f.can.MaxPriority == 0 || f.can.MaxPriority == math.MaxUint32 {
			return
		}
		for _, priority := range []uint32{f.can.MaxPriority + 1, math.MaxUint32} {
			m := f.message("x")
			m.Priority = priority
			f.wants(f.q.Send(f.patient(), m), mq.ErrInvalidPriority)
			f.wants(f.q.TrySend(m), mq.ErrInvalidPriority)
		}
		f.empty()
	}},

	{"TryNeverWaits", func(f *fixture) {
		m := mq.Message{Type: 77, Priority: 78, Data: []byte("as it was"), Truncated: true}
		err := f.start(context.Background(), "TryReceiveInto", func(context.Context) error { return f.q.TryReceiveInto(&m) }).await()
		f.wants(err, mq.ErrEmpty)
		if string(m.Data) != "as it was" || m.Type != 77 || m.Priority != 78 || !m.Truncated {
			f.Errorf("TryReceiveInto failed and changed the message to %+v", m)
		}
		n := f.fill()
		err = f.start(context.Background(), "TrySend", func(context.Context) error { return f.q.TrySend(f.message("x")) }).await()
		f.wants(err, mq.ErrFull)
		if got := f.drain(); got != n {
			f.Errorf("%d messages were sent, %d received", n, got)
		}
	}},

	{"ReceiveIntoReusesMemory", func(f *fixture) {
		for _, c := range []struct {
			name  string
			room  int
			reuse bool
		}{{"enough", 5, true}, {"plenty", f.largest() + 100, true}, {"too little", 4, false}} {
			memory := make([]byte, c.room)
			for _, receive := range []func(*mq.Message) error{
				func(m *mq.Message) error { return f.q.ReceiveInto(f.patient(), m) },
				f.q.TryReceiveInto,
			} {
				f.send(f.message("hello"))
				m := mq.Message{Data: memory[:1]}
				if err := receive(&m); err != nil || string(m.Data) != "hello" {
					f.Fatalf("%s: got %q, %v", c.name, m.Data, err)
				}
				if reused := &m.Data[0] == &memory[0]; reused != c.reuse {
					f.Errorf("%s room: memory reused: %v", c.name, reused)
				}
			}
		}
	}},

	{"TheSenderKeepsItsSlice", func(f *fixture) {
		m := f.message("first")
		f.send(m)
		if string(m.Data) != "first" {
			f.Errorf("sending changed the payload to %q", m.Data)
		}
		copy(m.Data, "other")
		if got := f.take(f.q); string(got.Data) != "first" {
			f.Errorf("the sender changed its slice after sending, and %q arrived", got.Data)
		}
	}},

	{"TheReceiverOwnsItsSlice", func(f *fixture) {
		f.send(f.message("first"))
		f.send(f.message("other"))
		first := f.take(f.q)
		other := f.take(f.q)
		_ = append(first.Data, "tail"...)
		if string(first.Data) != "first" || string(other.Data) != "other" {
			f.Errorf("got %q and %q: the slices share memory", first.Data, other.Data)
		}
	}},

	{"HandlesShareTheQueue", func(f *fixture) {
		other := f.handle()
		f.send(f.message("hello"))
		if m := f.take(other); string(m.Data) != "hello" {
			f.Errorf("got %q", m.Data)
		}
		f.empty()
	}},

	{"AllYieldsMessagesAndTakesNoMoreThanThose", func(f *fixture) {
		for i := range 4 {
			f.send(f.message(fmt.Sprint(i)))
		}
		i := 0
		for m, err := range mq.All(f.patient(), f.q) {
			if err != nil || string(m.Data) != fmt.Sprint(i) {
				f.Fatalf("message %d: got %q, %v", i, m.Data, err)
			}
			if i++; i == 3 {
				break
			}
		}
		if m := f.take(f.q); string(m.Data) != "3" {
			f.Errorf("after the loop: got %q", m.Data)
		}
		f.empty()
	}},
}
