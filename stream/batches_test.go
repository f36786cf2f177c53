package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/stream"
)

func batchesOf[T any](tb testing.TB, items <-chan T, cfg *stream.BatchConfig[T]) func(func([]T) bool) {
	tb.Helper()
	batches, err := stream.Batches(items, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return batches
}

func TestABatchIsCompleteWith(t *testing.T) {
	type config = stream.BatchConfig[string]
	length := func(s string) int { return len(s) }
	for _, c := range []struct {
		name string
		cfg  *config
		want []string
	}{
		{"what is there", nil, []string{"[a bb ccc dddd] at 0s", "[e] at 1s", "[f] at 3s"}},
		{"two items", &config{MaxItems: 2}, []string{"[a bb] at 0s", "[ccc dddd] at 0s", "[e] at 1s", "[f] at 3s"}},
		{"three bytes", &config{MaxBytes: 3, Size: length}, []string{"[a bb] at 0s", "[ccc] at 0s", "[dddd] at 0s", "[e] at 1s", "[f] at 3s"}},
		{"a second and a half", &config{MaxAge: 1500 * time.Millisecond}, []string{"[a bb ccc dddd e] at 1.5s", "[f] at 4s"}},
		{"an hour, or the end of the channel", &config{MaxAge: time.Hour}, []string{"[a bb ccc dddd e f] at 4s"}},
		{"an hour, or five items", &config{MaxAge: time.Hour, MaxItems: 5}, []string{"[a bb ccc dddd e] at 1s", "[f] at 4s"}},
		{"an hour, or five bytes", &config{MaxAge: time.Hour, MaxBytes: 5, Size: length}, []string{"[a bb ccc] at 0s", "[dddd e] at 1s", "[f] at 4s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				items := make(chan string, 10)
				go func() {
					for _, s := range []string{"a", "bb", "ccc", "dddd"} {
						items <- s
					}
					<-time.After(time.Second)
					items <- "e"
					<-time.After(2 * time.Second)
					items <- "f"
					<-time.After(time.Second)
					close(items)
				}()
				synctest.Wait()
				var got []string
				for batch := range batchesOf(t, items, c.cfg) {
					got = append(got, fmt.Sprintf("%v at %v", batch, time.Since(start)))
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestBatchesEndEvenIfMoreKeepsComing(t *testing.T) {
	items := make(chan int, 1)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case items <- i:
			case <-stop:
				return
			}
		}
	})
	for range batchesOf(t, items, &stream.BatchConfig[int]{MaxItems: 1 << 30, MaxAge: time.Millisecond}) {
		break
	}
	close(stop)
	wg.Wait()
}

func TestLeavingBatchesLosesNothing(t *testing.T) {
	items := make(chan int, 10)
	for i := range 10 {
		items <- i
	}
	close(items)
	var got []int
	for range 3 {
		for batch := range batchesOf(t, items, &stream.BatchConfig[int]{MaxItems: 4}) {
			got = append(got, batch...)
			break
		}
	}
	if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("got %v", got)
	}
	for batch := range batchesOf(t, items, nil) {
		t.Errorf("a batch of a closed channel: %v", batch)
	}
}

// TestShutdownGivesBatchesTheRest shuts a stream down while a batch without an
// end gathers; no message is lost.
func TestShutdownGivesBatchesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		defer q.Close()
		send(t, q, 1, 0, 25)
		s := newStream(t, q, &stream.Config{Buffer: 4})
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for batch := range batchesOf(t, s.Messages(), &stream.BatchConfig[mq.Message]{MaxItems: 10, MaxAge: time.Hour}) {
				for _, m := range batch {
					got = append(got, string(m.Data))
				}
			}
		}()
		synctest.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-done
		if !slices.Equal(got, numbers(0, 25)) {
			t.Errorf("got %v", got)
		}
	})
}

func TestBatchesRefuseInvalidConfigs(t *testing.T) {
	for _, cfg := range []stream.BatchConfig[string]{{MaxItems: -1}, {MaxBytes: -1}, {MaxAge: -1}, {MaxBytes: 1}} {
		if _, err := stream.Batches(make(chan string), &cfg); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	messages := make(chan mq.Message, 2)
	messages <- mq.Message{Data: []byte("four")}
	messages <- mq.Message{Data: []byte("more")}
	for batch := range batchesOf(t, messages, &stream.BatchConfig[mq.Message]{MaxBytes: 4}) {
		if len(batch) != 1 {
			t.Errorf("got %v", batch)
		}
		break
	}
}
