package mux_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
	"ipcmq/mux"
)

// TestASubscriberThatNeverReadsLeavesMessagesInTheQueue: it takes what fits, and
// does not keep the mux from ending.
func TestASubscriberThatNeverReadsLeavesMessagesInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		m := newMux(t, q, nil)
		never := subscribe(t, m, mq.Type(1), &mux.SubscribeConfig{Buffer: 4})
		other := subscribe(t, m, mq.Type(2), nil)
		for i := range 20 {
			send(t, q, 1, fmt.Sprint(i))
		}
		synctest.Wait()
		if left := q.Stat().Messages; left != 20-5 {
			t.Errorf("%d are left", left)
		}
		for i := range 20 {
			send(t, q, 2, fmt.Sprint(i))
			expect(t, other.Messages(), fmt.Sprint(i))
		}
		<-time.After(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.Shutdown(ctx); !errors.Is(err, mq.ErrUnread) {
			t.Errorf("got %v", err)
		}
		if got := data(m.Unread()); !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
			t.Errorf("unread: %v", got)
		}
		if st := never.Stats(); st.Delivered != 4 || st.Blocked != time.Hour+time.Minute {
			t.Errorf("%+v", st)
		}
		q.Close()
	})
}

func TestOneReaderServesAnyNumberOfTypes(t *testing.T) {
	for _, n := range []int64{1, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			q := newQueue(t, nil)
			m := newMux(t, q, nil)
			subscribe(t, m, mq.UpTo(n), &mux.SubscribeConfig{Unclaimed: true})
			var subs []*mux.Subscription
			for typ := range n {
				subs = append(subs, subscribe(t, m, mq.Type(typ+1), nil))
			}
			testutil.Await(t, func() error {
				if st := m.Stats(); st.Readers != 1 || st.Subscriptions != int(n)+1 {
					return fmt.Errorf("%+v", st)
				}
				return nil
			})
			for i := range subs {
				send(t, q, int64(i+1), fmt.Sprint(i))
			}
			for i, s := range subs {
				expect(t, s.Messages(), fmt.Sprint(i))
			}
			if st := m.Stats(); st.Readers != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// newPOSIXQueue creates a queue that is unlinked after the test.
func newPOSIXQueue(tb testing.TB) *posix.Queue {
	tb.Helper()
	q, err := posix.Open(fmt.Sprintf("/ipcmq-mux-%d-%d", os.Getpid(), posixQueues.Add(1)),
		&posix.Config{Exclusive: true, MaxMessages: 8, MaxMessageSize: 512})
	if errors.Is(err, errors.ErrUnsupported) {
		testutil.Lacking(tb, "POSIX queues")
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		q.Unlink()
		q.Close()
	})
	return q
}

var posixQueues atomic.Int64

func TestPOSIXQueuesHaveSubscriptionsToAnyOnly(t *testing.T) {
	q := newPOSIXQueue(t)
	m := newMux(t, q, nil)
	for _, s := range []mq.Selector{mq.Type(1), mq.UpTo(1), mq.Except(1)} {
		if _, err := m.Subscribe(s, nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: %v", s, err)
		}
		if _, err := m.Once(t.Context(), s); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Once of %v: %v", s, err)
		}
		if _, err := m.On(s, func(mq.Message) {}, nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("On %v: %v", s, err)
		}
	}
	if st := m.Stats(); st.Readers != 0 || st.Subscriptions != 0 {
		t.Errorf("the refused calls left %+v", st)
	}
	a, b := subscribe(t, m, mq.Any(), nil), subscribe(t, m, mq.Any(), nil)
	for i := range 20 {
		if err := m.Publish(t.Context(), mq.Message{Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
		expect(t, a.Messages(), fmt.Sprint(i))
		expect(t, b.Messages(), fmt.Sprint(i))
	}
	if st := m.Stats(); st.Readers != 1 {
		t.Errorf("%+v", st)
	}
}
