package plain_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc/plain"
)

func upper(_ context.Context, request []byte) ([]byte, error) { return bytes.ToUpper(request), nil }

func TestRequestsAreAnswered(t *testing.T) {
	for name, reply := range map[string]mq.Queue{"in one queue": nil, "in another queue": newQueue(t, nil)} {
		t.Run(name, func(t *testing.T) {
			q, p := newQueue(t, nil), pattern
			if p.ReplyQueue = reply; reply != nil {
				p.ReplyType = p.RequestType
			}
			stop := serve(t, q, p, upper, nil)
			c := newClient(t, q, p, nil)
			var callers sync.WaitGroup
			for i := range 20 {
				callers.Go(func() {
					for j := range 100 {
						request := fmt.Sprintf("%d.%d hello", i, j)
						if got, err := c.Request(t.Context(), []byte(request)); err != nil || string(got) != strings.ToUpper(request) {
							t.Errorf("%q: %q, %v", request, got, err)
							return
						}
					}
				})
			}
			callers.Wait()
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Replies come in another order, for unknown requests, late, and twice.
func TestRepliesAreMatchedByTheirIDs(t *testing.T) {
	q := newQueue(t, nil)
	unmatched := make(chan string, 10)
	c := newClient(t, q, pattern, &plain.ClientConfig{Unmatched: func(m mq.Message) { unmatched <- string(m.Data) }})
	reply := func(text string) {
		t.Helper()
		if err := q.Send(t.Context(), mq.Message{Type: 200, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	requests, err := q.Select(mq.Type(100))
	if err != nil {
		t.Fatal(err)
	}
	take := func() string {
		t.Helper()
		m, err := requests.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Data)
	}
	canceled, cancel := context.WithCancelCause(t.Context())
	given := make(chan error)
	go func() {
		_, err := c.Request(canceled, []byte("1 given up"))
		given <- err
	}()
	take()
	boredom := errors.New("boredom")
	cancel(boredom)
	if err := <-given; !errors.Is(err, context.Canceled) || !errors.Is(err, boredom) || !strings.Contains(err.Error(), "the request was sent") {
		t.Error(err)
	}
	answers := make(chan string)
	for _, request := range []string{"2 a", "3 b"} {
		go func() {
			got, err := c.Request(t.Context(), []byte(request))
			answers <- fmt.Sprint(string(got), err)
		}()
		take()
	}
	for _, text := range []string{"1 late", "9 unknown", "noid", "3 second", "3 twice"} {
		reply(text)
	}
	if got := <-answers; got != "3 second<nil>" {
		t.Error(got)
	}
	reply("2 first")
	if got := <-answers; got != "2 first<nil>" {
		t.Error(got)
	}
	for _, want := range []string{"1 late", "9 unknown", "noid", "3 twice"} {
		if got := <-unmatched; got != want {
			t.Errorf("unmatched %q, not %q", got, want)
		}
	}
}

func TestRequestsThatCannotBeMatchedAreNotSent(t *testing.T) {
	q := newQueue(t, nil)
	c := newClient(t, q, pattern, nil)
	ctx, cancel := context.WithCancel(t.Context())
	under := make(chan error)
	go func() {
		_, err := c.Request(ctx, []byte("1 first"))
		under <- err
	}()
	if m, err := q.Receive(t.Context()); err != nil || string(m.Data) != "1 first" || m.Type != 100 {
		t.Fatal(m, err)
	}
	for request, text := range map[string]string{"noid": "has no id", "1 again": `"1" is in progress`} {
		if _, err := c.Request(t.Context(), []byte(request)); !errors.Is(err, mq.ErrInvalidConfig) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", request, err)
		}
	}
	if _, err := c.Request(t.Context(), append([]byte("2 "), make([]byte, 1<<20)...)); !errors.Is(err, mq.ErrTooLarge) {
		t.Error(err)
	}
	if m, err := q.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
		t.Errorf("%v was sent, %v", m, err)
	}
	cancel()
	<-under
}

func TestNoMoreThanMaxPendingAreInProgress(t *testing.T) {
	q := newQueue(t, nil)
	c := newClient(t, q, pattern, &plain.ClientConfig{MaxPending: 2})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range 2 {
		group.Go(func() { c.Request(ctx, fmt.Appendf(nil, "%d x", i)) })
		if _, err := q.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Request(testutil.Soon(t), []byte("3 x"))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "MaxPending = 2") {
		t.Error(err)
	}
	if m, err := q.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
		t.Errorf("%v was sent, %v", m, err)
	}
	cancel()
	group.Wait()
}

func TestARequestThatFindsNoRoomSaysSo(t *testing.T) {
	q := newQueue(t, &sysv.Config{Capacity: 10})
	c := newClient(t, q, pattern, nil)
	if err := q.TrySend(mq.Message{Type: 5, Data: make([]byte, 10)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Request(testutil.Soon(t), []byte("1 x")); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "was not sent") {
		t.Error(err)
	}
}

func TestRequestsEndWithTheClientAndTheQueue(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(q *sysv.Queue, c *plain.Client) error
		want error
	}{
		"Close":  {func(_ *sysv.Queue, c *plain.Client) error { return errors.Join(c.Close(), c.Close()) }, mq.ErrClosed},
		"Remove": {func(q *sysv.Queue, _ *plain.Client) error { return q.Remove() }, mq.ErrRemoved},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, nil)
			client := newClient(t, q, pattern, nil)
			got := make(chan error)
			go func() {
				_, err := client.Request(t.Context(), []byte("1 x"))
				got <- err
			}()
			if _, err := q.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := c.end(q, client); err != nil {
				t.Fatal(err)
			}
			if err := <-got; !errors.Is(err, c.want) {
				t.Errorf("under way: %v", err)
			}
			if _, err := client.Request(t.Context(), []byte("2 x")); !errors.Is(err, c.want) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestInvalidPatternsAreRefused(t *testing.T) {
	q := newQueue(t, nil)
	for _, p := range []plain.Pattern{
		{}, {RequestType: 1, ID: pattern.ID}, {ReplyType: 1, ID: pattern.ID}, {RequestType: -1, ReplyType: 2, ID: pattern.ID},
		{RequestType: 1, ReplyType: 1, ID: pattern.ID}, {RequestType: 1, ReplyType: 1, ReplyQueue: q, ID: pattern.ID},
	} {
		if _, err := plain.NewClient(q, p, nil); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%+v: %v", p, err)
		}
		if err := plain.Handle(t.Context(), q, p, upper, nil); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := plain.NewClient(q, plain.Pattern{RequestType: 1, ReplyType: 2}, nil); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("without ID: %v", err)
	}
	if _, err := plain.NewClient(q, pattern, &plain.ClientConfig{MaxPending: -1}); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("MaxPending: %v", err)
	}
}

func TestAQueueWithoutTypesIsRefused(t *testing.T) {
	testutil.NeedMqueue(t)
	q, err := posix.Open("/ipcmq-plain", &posix.Config{Exclusive: true, MaxMessages: 1, MaxMessageSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { q.Unlink(); q.Close() }()
	if _, err := plain.NewClient(q, pattern, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if err := plain.Handle(t.Context(), q, pattern, upper, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

func TestIDsOfBodies(t *testing.T) {
	for _, c := range []struct {
		id         func([]byte) (string, bool)
		body, want string
		ok         bool
	}{
		{plain.Before(" "), "17 hello", "17", true}, {plain.Before(" "), " x", "", true}, {plain.Before(" "), "17", "", false},
		{plain.Field("id"), `{"a":1,"id":17}`, "17", true}, {plain.Field("id"), `{"id":"x"}`, `"x"`, true},
		{plain.Field("id"), `{"a":1}`, "", false}, {plain.Field("id"), `[1]`, "", false}, {plain.Field("id"), "", "", false},
		{plain.Field("id"), `{"id":1}trailing`, "", false},
	} {
		if got, ok := c.id([]byte(c.body)); got != c.want || ok != c.ok {
			t.Errorf("%q: %q, %t", c.body, got, ok)
		}
	}
}
