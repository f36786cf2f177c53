package sysv_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// work returns the payload of the message with a number, which determines its
// length and every byte.
func work(number int) []byte {
	text := strconv.Itoa(number) + ":"
	size := number * 7919 % 300
	if number%50 == 0 {
		size = number * 7919 % 8000
	}
	b := []byte(text)
	for len(b) < size {
		b = append(b, byte(number+len(b)))
	}
	return b
}

// Holders are killed at random and replaced, and nothing is lost.
func TestHoldersKilledAtRandomLoseNothing(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see, so that it looks dead to them")
	messages, holders := 5_000, 4
	if n, err := strconv.Atoi(os.Getenv("IPCMQ_LEASES")); err == nil {
		messages = n
	}
	key := freeKey(t)
	q := openLending(t, key, time.Minute)
	lending(t, q, mq.Any())

	var mu sync.Mutex
	seen := make([]int, messages) // how often each was handled
	again, uncertain, left := 0, 0, messages
	done := make(chan struct{})
	handled := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		text, unsure := strings.CutSuffix(line, "?")
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= messages {
			t.Errorf("a holder says %q", line)
			return
		}
		if unsure {
			uncertain++
		}
		if seen[n]++; seen[n] > 1 {
			again++
			return
		}
		if left--; left == 0 {
			close(done)
		}
	}
	begun := time.Now()
	var kills atomic.Int64
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all.Go(func() {
		for n := range messages {
			if err := q.Send(ctx, mq.Message{Type: int64(1 + n%3), Data: work(n)}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range holders {
		all.Go(func() {
			for hold(t, key, done, handled) {
				kills.Add(1)
			}
			select {
			case <-done:
			default:
				t.Error("a holder failed")
				cancel()
			}
		})
	}
	all.Wait()
	rest := leaseAll(t, lending(t, q, mq.Any()), 0) // handled, and not acknowledged
	t.Logf("%d messages in %v, %d kills: 0 lost, %d handled twice, %d more than once and not acknowledged, %d of uncertain length",
		messages, time.Since(begun).Round(time.Millisecond), kills.Load(), again, len(rest), uncertain)
	if uncertain > 1+int(kills.Load())/20 {
		t.Errorf("%d lengths are uncertain", uncertain)
	}
	if n := waiting(t, q); n != 0 {
		t.Errorf("%d messages are in the queue", n)
	}
}

// hold runs a holder and kills it some time after it has handled some messages, or
// when done is closed; then hold returns false.
func hold(t *testing.T, key sysv.Key, done chan struct{}, handled func(line string)) bool {
	cmd := testutil.Command(t, "work until killed", fmt.Sprint(uint32(key)))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return false
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return false
	}
	defer cmd.Wait()
	read := make(chan struct{})
	enough := make(chan struct{}, 1)
	go func() {
		defer close(read)
		left := 1 + rand.IntN(1000)
		for lines := bufio.NewScanner(out); lines.Scan(); left-- {
			handled(lines.Text())
			if left == 0 {
				enough <- struct{}{}
			}
		}
	}()
	more := true
	select {
	case <-enough:
	case <-read: // it failed, and says why
		more = false
	case <-done:
		more = false
	}
	cmd.Process.Kill()
	<-read
	return more
}

func init() {
	roles["work until killed"] = func() {
		q, err := sysv.Open(sysv.Key(number(1)), &sysv.Config{OpenOnly: true, Lease: time.Minute})
		expect(err == nil, "%v", err)
		r, err := q.SelectLeases(mq.Any())
		expect(err == nil, "%v", err)
		for {
			l, err := r.Lease(context.Background())
			expect(err == nil, "%v", err)
			data := string(l.Message().Data)
			text, _, _ := strings.Cut(data, ":")
			n, err := strconv.Atoi(text)
			expect(err == nil, "%.30q: %v", data, err)
			unsure := ""
			if l.(interface{ Uncertain() bool }).Uncertain() {
				unsure = "?"
			} else {
				expect(data == string(work(n)), "message %d has %d bytes", n, len(data))
			}
			fmt.Printf("%d%s\n", n, unsure)
			err = l.Ack(context.Background())
			expect(err == nil, "%v", err)
		}
	}
}
