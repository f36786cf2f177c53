package reader_test

import (
	"context"
	"slices"
	"testing"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// A batcher gives many messages at once, and notes for how many it is asked.
type batcher struct {
	script
	size  int // of each message
	asked []int
}

func (b *batcher) ReceiveBatch(_ context.Context, n int) (all []mq.Message, err error) {
	b.asked = append(b.asked, n)
	for range min(n, len(b.messages)-b.next) {
		b.next++
		all = append(all, mq.Message{Type: 1, Data: make([]byte, b.size)})
	}
	if len(all) == 0 {
		return nil, b.end
	}
	return all, nil
}

func TestQueuesElsewhereGiveMoreAndMoreAtOnce(t *testing.T) {
	for _, c := range []struct {
		name             string
		messages, length int
		room             int
		want             []int
	}{
		{"many", 2000, 64, 1 << 20, []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024}},
		{"little room", 20, 64, 6, []int{1, 2, 4, 6, 6, 6, 6}},
		{"no room", 3, 64, 0, []int{1, 1, 1, 1}},
		{"large", 20, 400 << 10, 100, []int{1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
		{"larger", 4, 2 << 20, 100, []int{1, 1, 1, 1, 1}},
	} {
		b := &batcher{script: script{messages: numbers(c.messages), end: mq.ErrRemoved}, size: c.length}
		delivered := 0
		var ended error
		<-reader.Start(elsewhere, b, 0, reader.Consumer{
			Room:    func() int { return c.room },
			Deliver: func(taken []mq.Message) { delivered += len(taken) },
			Ended:   func(err error) { ended = err },
		}).Done()
		if delivered != c.messages || ended != mq.ErrRemoved {
			t.Errorf("%s: %d of %d messages, and %v", c.name, delivered, c.messages, ended)
		}
		if !slices.Equal(b.asked, c.want) {
			t.Errorf("%s: asked for %v, want %v", c.name, b.asked, c.want)
		}
	}
}
