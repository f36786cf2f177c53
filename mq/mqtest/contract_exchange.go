package mqtest

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"ipcmq/mq"
)

// exchangePromises are the promises of queues that are an mq.Exchange.
var exchangePromises = []promise{
	{"InboxesTakeReplies", func(f *fixture) {
		client, ok := f.q.(mq.Exchange)
		if !ok {
			return
		}
		server := f.handle().(mq.Exchange)
		one, two := f.inbox(client), f.inbox(client)
		if one.Address() == two.Address() {
			f.Errorf("two inboxes have the address %q", one.Address())
		}
		for text, in := range map[string]mq.Inbox{"for one": one, "for two": two} {
			if n := len(in.Address()); n == 0 || n > 255 {
				f.Errorf("an address of %d bytes", n)
			}
			p := f.start(context.Background(), "Receive from an inbox", func(ctx context.Context) error {
				m, err := in.Receive(ctx)
				if err == nil && string(m.Data) != text {
					f.Errorf("an inbox got %q, want %q", m.Data, text)
				}
				return err
			})
			out, err := server.OpenInbox(in.Address())
			if err != nil {
				f.Fatal(err)
			}
			if err := out.Send(f.patient(), f.message(text)); err != nil {
				f.Errorf("Send to an inbox: %v", err)
			}
			if err := p.await(); err != nil {
				f.Errorf("Receive from an inbox: %v", err)
			}
			if err := out.Close(); err != nil {
				f.Errorf("Close: %v", err)
			}
		}
		f.empty()
	}},

	{"UsageCountsWhatWaits", func(f *fixture) {
		meter, ok := f.q.(mq.Meter)
		if !ok {
			return
		}
		before, err := meter.Usage()
		if err != nil {
			f.Fatal(err)
		}
		m := f.message("counted")
		if err := f.q.Send(f.patient(), m); err != nil {
			f.Fatal(err)
		}
		want := before
		want.Messages++
		if want.MaxBytes > 0 {
			want.Bytes += int64(len(m.Data))
		}
		if got, err := meter.Usage(); err != nil || got != want || got.MaxMessages <= 0 {
			f.Errorf("with one message more: %+v, %v, want %+v", got, err, want)
		}
		if _, err := f.q.Receive(f.patient()); err != nil {
			f.Fatal(err)
		}
		f.empty()
	}},

	{"HandlesHaveOneClock", func(f *fixture) {
		one, ok := f.q.(mq.Clocked)
		if !ok {
			return
		}
		before, err := one.Clock(f.patient())
		if errors.Is(err, errors.ErrUnsupported) {
			return
		}
		if err != nil {
			f.Fatalf("Clock: %v", err)
		}
		after, err := f.handle().(mq.Clocked).Clock(f.patient())
		if err != nil || after.ID != before.ID || after.Time < before.Time || after.Time > before.Time+time.Hour {
			f.Errorf("Clock: %v, then %v, %v", before, after, err)
		}
	}},

	{"RemovedInboxesDoNotExist", func(f *fixture) {
		q, ok := f.q.(mq.Exchange)
		if !ok {
			return
		}
		in := f.inbox(q)
		if err := in.Remove(); err != nil {
			f.Fatalf("Remove: %v", err)
		}
		_, err := q.OpenInbox(in.Address())
		f.wants(err, fs.ErrNotExist)
	}},

	{"NothingButAnInboxIsOpenedAsOne", func(f *fixture) {
		q, ok := f.q.(mq.Exchange)
		if !ok {
			return
		}
		address := f.inbox(q).Address()
		for _, bad := range []string{"", " ", "x" + address, " " + address, "/etc/passwd", "-1", string(make([]byte, 1000))} {
			out, err := q.OpenInbox(bad)
			if err == nil {
				out.Close()
			}
			f.wants(err, mq.ErrNotInbox)
		}
	}},

	{"CheckTellsWhetherTheQueueIsThere", func(f *fixture) {
		q, ok := f.q.(mq.Checker)
		if !ok {
			return
		}
		closed := f.handle()
		other := closed.(mq.Checker)
		if err := q.Check(); err != nil {
			f.Errorf("Check: %v", err)
		}
		if f.can.SeesRemoval {
			f.remove(f.handle())
			f.wants(q.Check(), mq.ErrRemoved)
		}
		closed.Close()
		f.wants(other.Check(), mq.ErrClosed)
		if exchange, ok := closed.(mq.Exchange); ok {
			_, err := exchange.NewInbox()
			f.wants(err, mq.ErrClosed)
		}
	}},
}

// inbox creates an inbox that is removed after the test.
func (f *fixture) inbox(q mq.Exchange) mq.Inbox {
	f.Helper()
	in, err := q.NewInbox()
	if err != nil {
		f.Fatalf("NewInbox: %v", err)
	}
	f.Cleanup(func() {
		in.Remove() // fails if the test has removed it
		if err := in.Close(); err != nil {
			f.Errorf("Close: %v", err)
		}
	})
	return in
}
