package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"ipcmq/internal/store"
	"ipcmq/internal/sys"
)

var roles = map[string]func(){}

func TestSegmentsOfOthersAreNeitherReadNorWritten(t *testing.T) {
	r, queue := newReader(t), newQueue(t)
	for _, size := range []int{100, 4096 + 1723, 4096*40 + 1723} {
		id, errno := sys.Shmget(0, size, sys.IPC_CREAT|0o600)
		if errno != 0 {
			t.Fatal(errno)
		}
		defer sys.ShmRemove(id)
		s, errno := sys.ShmAttach(id, false)
		if errno != 0 {
			t.Fatal(errno)
		}
		defer s.Detach()
		for i := range s.Bytes(0, size) {
			s.Bytes(0, size)[i] = byte(i)
		}
		before := bytes.Clone(s.Bytes(0, size))
		ticket := binary.NativeEndian.AppendUint32([]byte("\xba\x7c\xfd\x01"), uint32(id))
		ticket = append(ticket, make([]byte, 24)...)
		parsed, ok := store.ParseTicket(ticket)
		if !ok {
			t.Fatal("no ticket")
		}
		if _, err := r.Redeem(parsed, queue); !errors.Is(err, store.ErrOther) {
			t.Error(err)
		}
		store.Collect()
		if !bytes.Equal(before, s.Bytes(0, size)) {
			t.Errorf("%d bytes: something was written", size)
		}
		if st, errno := sys.ShmStat(id); errno != 0 || st.Size != int64(size) {
			t.Errorf("%d bytes: removed: %v", size, errno)
		}
	}
}

func TestATicketOfAnotherQueueIsRefused(t *testing.T) {
	s, r := newStore(t, 8192), newReader(t)
	one, two := newQueue(t), newQueue(t)
	b := put(t, s, []byte("for one"), one)
	b.Sent()
	if _, err := r.Redeem(b.Ticket(), two); !errors.Is(err, store.ErrOther) {
		t.Error(err)
	}
	if _, err := receive(r, b.Ticket(), one); err != nil {
		t.Error(err)
	}
}

func FuzzTicket(f *testing.F) {
	f.Add([]byte("\xba\x7c\xfd\x01"))
	f.Add(append([]byte("\xba\x7c\xfd\x01"), make([]byte, 28)...))
	f.Add(append([]byte("\xba\x7c\xfd\x01"), bytes.Repeat([]byte{255}, 28)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		ticket, ok := store.ParseTicket(data)
		if ok && !bytes.Equal(ticket.Bytes(), data) {
			t.Errorf("%x became %x", data, ticket.Bytes())
		}
		if ok && !store.IsTicket(data) {
			t.Errorf("%x is a ticket and does not look like one", data)
		}
	})
}

// Whoever may use a store can write anything into it, and anything into the queue.
func FuzzRedeem(f *testing.F) {
	f.Add(uint32(0), []byte{}, []byte{})
	f.Add(uint32(16), binary.NativeEndian.AppendUint64(nil, 1<<63), []byte{})
	f.Add(uint32(4096+16), binary.NativeEndian.AppendUint64(nil, 1<<64-1), []byte{})
	f.Add(uint32(4096+16), bytes.Repeat(binary.NativeEndian.AppendUint64(nil, 1<<64-4096), 2), []byte{})
	f.Add(uint32(4096+8), bytes.Repeat([]byte{0x7f}, 64), bytes.Repeat([]byte{1}, 28))
	f.Fuzz(func(t *testing.T, at uint32, garbage, forged []byte) {
		s, r, queue := newStore(t, 8192), newReader(t), newQueue(t)
		b := put(t, s, []byte("payload"), queue)
		b.Sent()
		segment := s.Memory()
		at %= uint32(len(segment))
		copy(segment[at:], garbage)
		tickets := []store.Ticket{b.Ticket()}
		bytes := b.Ticket().Bytes()
		copy(bytes[8:], forged)
		if ticket, ok := store.ParseTicket(bytes); ok {
			tickets = append(tickets, ticket)
		}
		for _, ticket := range tickets {
			if data, err := receive(r, ticket, queue); err == nil && len(data) > len(segment) {
				t.Errorf("%d bytes of a store of %d", len(data), len(segment))
			}
		}
		store.Collect()
		if b, errno := s.Put(t.Context(), []byte("another"), queue, false); errno == 0 {
			b.Drop()
		}
		s.Stop()
		s.Leave()
		s.Forget()
	})
}
