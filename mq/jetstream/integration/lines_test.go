package integration_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"ipcmq/mq"
)

// A line is what goes through one channel: numbers, counted from 0.
type line struct {
	name string
	slot chan struct{} // has one for each message that is on its way

	mu   sync.Mutex
	sent int
	got  map[string]int
	lost int // requests without an answer
}

// most is how many messages of a line are in the queue while nothing arrives.
const most = 20

func newLine(name string) *line {
	return &line{name: name, slot: make(chan struct{}, most), got: map[string]int{}}
}

// arrived notes a message.
func (l *line) arrived(number string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[number]++
	if l.got[number] == 1 {
		<-l.slot
	}
}

// count returns how many messages have arrived, each counted once.
func (l *line) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.got)
}

// missing returns an error, with the numbers that are missing, unless all that
// was sent has arrived.
func (l *line) missing() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.got) == l.sent {
		return nil
	}
	var numbers []int
	for i := range l.sent {
		if l.got[strconv.Itoa(i)] == 0 {
			numbers = append(numbers, i)
		}
	}
	return fmt.Errorf("%s: %d messages were sent, and %d have arrived; missing are %v", l.name, l.sent, len(l.got), numbers)
}

// send sends numbers until ctx ends.
func (l *line) send(ctx context.Context, t *testing.T, q mq.Sender, typ int64, pace time.Duration) {
	next := time.NewTicker(pace)
	defer next.Stop()
	for i := 0; ; i++ {
		<-next.C
		select {
		case l.slot <- struct{}{}:
		case <-ctx.Done():
			return
		}
		// It has all the time that there is, so nothing is in doubt.
		if err := q.Send(t.Context(), mq.Message{Type: typ, Data: fmt.Append(nil, i)}); err != nil {
			if !t.Failed() { // what follows a failure says nothing
				t.Errorf("%s: %v", l.name, err)
			}
			return
		}
		l.mu.Lock()
		l.sent++
		l.mu.Unlock()
	}
}
