package lease_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/codec"
	"ipcmq/stream/lease"
)

func TestTypedDeadLettersWhatCannotBeDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := lendingQueue(t)
		for _, text := range []string{`1`, `two`, `3`} {
			if err := q.Send(t.Context(), mq.Message{Type: 1, Data: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		var got []int
		var dead []string
		r := startHandling(t, q, lease.Typed(codec.JSON[int](), func(_ context.Context, n int, d lease.Delivery) error {
			if d.Type != 1 || d.Attempt != 1 {
				t.Errorf("got %+v", d)
			}
			got = append(got, n)
			return nil
		}), &lease.Config{
			MaxAttempts: 2,
			DeadLetter: func(_ context.Context, d lease.Delivery, err error) error {
				var bad *codec.Error
				if !errors.As(err, &bad) || d.Attempt != 2 {
					t.Errorf("attempt %d: %v", d.Attempt, err)
				}
				dead = append(dead, string(d.Data))
				return nil
			},
		})
		<-time.After(time.Minute)
		synctest.Wait()
		if err := r.stop(); err != nil || !slices.Equal(got, []int{1, 3}) || !slices.Equal(dead, []string{"two"}) {
			t.Errorf("got %v, dead %q, %v", got, dead, err)
		}
	})
}
