package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mux"
	"ipcmq/mux/rpc"
)

func init() { roles["answer"] = answer }

func newMux(t testing.TB, q mq.Queue) *mux.Mux {
	t.Helper()
	m, err := mux.New(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func newClient(t testing.TB, q mq.Queue) *rpc.Client {
	t.Helper()
	c, err := rpc.NewClient(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var bothModes = []jetstream.Mode{jetstream.LeaseMode, jetstream.ClaimMode}

func TestSubscriptionsByTypeShareAQueue(t *testing.T) {
	url := start(t, nil).URL()
	for _, mode := range bothModes {
		t.Run(mode.String(), func(t *testing.T) {
			const n = 50
			q := openQueue(t, url, newName(), &jetstream.Config{Mode: mode})
			one := newMux(t, q)
			two := newMux(t, openQueue(t, url, q.Name(), nil))
			ones, err := one.Subscribe(mq.Type(1), nil)
			if err != nil {
				t.Fatal(err)
			}
			twos, err := two.Subscribe(mq.Type(2), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				for typ, m := range map[int64]*mux.Mux{1: two, 2: one} {
					if err := m.Publish(t.Context(), mq.Message{Type: typ, Data: fmt.Append(nil, i)}); err != nil {
						t.Fatal(err)
					}
				}
			}
			for typ, sub := range map[int64]*mux.Subscription{1: ones, 2: twos} {
				for i := range n {
					m := <-sub.Messages()
					if m.Type != typ || string(m.Data) != fmt.Sprint(i) {
						t.Fatalf("got type %d, %q; want type %d, %d", m.Type, m.Data, typ, i)
					}
				}
			}
		})
	}
}

func TestASubscriptionThatOverlapsIsRefusedAndTheMuxGoesOn(t *testing.T) {
	url := start(t, nil).URL()
	q := openQueue(t, url, "orders", nil)
	m := newMux(t, q)
	ones, err := m.Subscribe(mq.Type(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Subscribe(mq.Any(), nil)
	wants(t, err, errors.ErrUnsupported, "cannot select any while others select single types")
	other := newMux(t, openQueue(t, url, "orders", nil))
	_, err = other.Subscribe(mq.Any(), nil)
	wants(t, err, errors.ErrUnsupported, "cannot select any while others select single types")
	_, err = other.Subscribe(mq.Except(1), nil)
	wants(t, err, errors.ErrUnsupported, "lease mode cannot select except type 1")
	if _, err := other.Subscribe(mq.Type(2), nil); err != nil {
		t.Error(err)
	}
	if err := m.Publish(t.Context(), mq.Message{Type: 1}); err != nil {
		t.Fatal(err)
	}
	if got, ok := <-ones.Messages(); !ok || got.Type != 1 {
		t.Errorf("got %+v, %v", got, m.Err())
	}
}

func TestClaimModeServesEveryMixOfSubscriptions(t *testing.T) {
	q := openQueue(t, start(t, nil).URL(), "orders", &jetstream.Config{Mode: jetstream.ClaimMode})
	m := newMux(t, q)
	subs := map[mq.Selector]int{mq.Any(): 6, mq.Type(5): 2, mq.UpTo(3): 3, mq.Except(5): 4}
	channels := map[mq.Selector]<-chan mq.Message{}
	for s := range subs {
		sub, err := m.Subscribe(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		channels[s] = sub.Messages()
	}
	for _, typ := range []int64{5, 3, 9, 1, 5, 2} {
		if err := m.Publish(t.Context(), mq.Message{Type: typ}); err != nil {
			t.Fatal(err)
		}
	}
	for s, n := range subs {
		for range n {
			if got := <-channels[s]; !s.Matches(got.Type) {
				t.Errorf("%v: got type %d", s, got.Type)
			}
		}
	}
}

func TestRequestsAreAnsweredByOtherProcesses(t *testing.T) {
	url := start(t, nil).URL()
	for _, mode := range bothModes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			q := openQueue(t, url, newName(), &jetstream.Config{Mode: mode})
			for range 2 {
				cmd := testutil.Command(t, "answer", url, q.Name())
				stop, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					stop.Close()
					if err := cmd.Wait(); err != nil {
						t.Error(err)
					}
				})
			}
			m := newClient(t, q)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var callers sync.WaitGroup
			for c := range 4 {
				callers.Go(func() {
					for i := range 50 {
						got, err := m.Request(ctx, 7, fmt.Appendf(nil, "hello %d %d", c, i))
						if err != nil || string(got) != fmt.Sprintf("HELLO %d %d", c, i) {
							t.Errorf("got %q, %v", got, err)
							return
						}
					}
				})
			}
			callers.Wait()
			if st := m.Stats(); st.Sent != 200 || st.Answered != 200 || st.Duplicate != 0 || st.Foreign != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// untilStdinEnds is a context that ends with the standard input.
func untilStdinEnds() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = os.Stdin.Read(make([]byte, 1))
	}()
	return ctx
}

func toUpper(_ context.Context, request []byte) ([]byte, error) { return bytes.ToUpper(request), nil }

// answer answers requests of type 7 until its standard input ends.
func answer() {
	q, err := jetstream.Open(context.Background(), os.Args[1], os.Args[2], &jetstream.Config{OpenOnly: true})
	if err == nil {
		err = errors.Join(rpc.Handle(untilStdinEnds(), q, 7, toUpper, nil), q.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestReplyToAClientThatIsGoneFailsAtOnce(t *testing.T) {
	url := start(t, nil).URL()
	server, client := openQueue(t, url, "orders", nil), openQueue(t, url, "orders", nil)
	in, err := client.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.OpenInbox(in.Address())
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	wants(t, out.Send(context.Background(), mq.Message{Type: 1}), fs.ErrNotExist, "its program has ended")
	_, err = server.OpenInbox(in.Address())
	wants(t, err, fs.ErrNotExist, "its program has ended")
	_, err = in.Receive(context.Background())
	wants(t, err, mq.ErrClosed)
}

func TestAFullInboxRefusesAndTakesAgain(t *testing.T) {
	q := openQueue(t, start(t, nil).URL(), "orders", nil)
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	out, err := q.OpenInbox(in.Address())
	if err != nil {
		t.Fatal(err)
	}
	for i := range jetstream.InboxMessages {
		if err := out.TrySend(mq.Message{Type: 1, Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, out.TrySend(mq.Message{Type: 1}), mq.ErrFull)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	wants(t, out.Send(short, mq.Message{Type: 1}), context.DeadlineExceeded)
	sent := make(chan error)
	go func() { sent <- out.Send(context.Background(), mq.Message{Type: 1, Data: []byte("last")}) }()
	for i := range jetstream.InboxMessages {
		if m, err := in.TryReceive(); err != nil || string(m.Data) != fmt.Sprint(i) {
			t.Fatalf("message %d: got %q, %v", i, m.Data, err)
		}
	}
	if m, err := in.Receive(t.Context()); err != nil || string(m.Data) != "last" {
		t.Errorf("got %q, %v", m.Data, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestOnlyInboxesOfThisQueueAreOpened(t *testing.T) {
	url := start(t, nil).URL()
	q, other := openQueue(t, url, "orders", nil), openQueue(t, url, "orders2", nil)
	in, err := other.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	_, err = q.OpenInbox(in.Address())
	wants(t, err, mq.ErrNotInbox)
}
