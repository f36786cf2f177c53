package large_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
)

// work returns the payload of the message of a sender with a number; these determine
// its length and every byte.
func work(sender, number int) []byte {
	b := fmt.Appendf(nil, "%d %d:", sender, number)
	size := []int{50, 9_000, 30_000, 100_000, 400_000}[(sender+number)%5]
	for len(b) < size {
		b = append(b, byte(sender+number+len(b)/251))
	}
	return b
}

// A tally counts what was sent and received.
type tally struct {
	mu             sync.Mutex
	sent, received map[string]int
}

func (c *tally) note(which map[string]int, line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	which[line]++
}

// Senders and receivers are killed at random and replaced. With leases, acknowledged
// after the message was reported, nothing is lost; a plain receiver can be killed
// before it reports its message.
func TestNothingIsLostWhenSendersAndReceiversAreKilled(t *testing.T) {
	testutil.NotEmulated(t, emulated)
	kills := 40
	if n, err := strconv.Atoi(os.Getenv("IPCMQ_LARGE")); err == nil {
		kills = n
	}
	quick(t)
	for _, how := range []string{"lease", "receive"} {
		t.Run(how, func(t *testing.T) {
			q := openSysV(t, freeKey(t), &sysv.Config{Lease: time.Minute, Mode: 0o600})
			defer q.Close()
			c := &tally{sent: map[string]int{}, received: map[string]int{}}
			var all sync.WaitGroup
			var killsOf [2]int
			done := make(chan struct{})
			run := func(role string, index int, which map[string]int) {
				for n := index; ; n += 10 {
					killed := keepKilling(t, done, func(line string) { c.note(which, line) }, role, fmt.Sprint(q.ID()), fmt.Sprint(n), how)
					if !killed {
						return
					}
					c.mu.Lock()
					killsOf[index/5]++
					if killsOf[0]+killsOf[1] == kills {
						close(done)
					}
					c.mu.Unlock()
				}
			}
			for i := range 2 {
				all.Go(func() { run("send work", i, c.sent) })
				all.Go(func() { run("receive work", 5+i, c.received) })
			}
			all.Wait()
			rest := 0
			r := byID(t, q.ID(), nil)
			for _, data := range drain(t, r) {
				head, _, _ := strings.Cut(data, ":")
				c.note(c.received, head)
				rest++
			}
			r.Close()
			lost, twice := 0, 0
			for head := range c.sent {
				if c.received[head] == 0 {
					lost++
				}
			}
			for _, n := range c.received {
				if n > 1 {
					twice++
				}
			}
			t.Logf("%d messages, %d senders and %d receivers killed, %d messages left at the end: %d lost, %d twice", len(c.sent), killsOf[0], killsOf[1], rest, lost, twice)
			if lost > 0 && (how == "lease" || lost > killsOf[1]) {
				t.Errorf("%d messages are lost", lost)
			}
			if how == "receive" && twice > 0 {
				t.Errorf("%d messages came twice", twice)
			}
			expectCollected(t)
		})
	}
}

// keepKilling runs a process, and kills it after some lines of its output. It
// returns false if the process failed or done is closed.
func keepKilling(t *testing.T, done chan struct{}, note func(string), role string, args ...string) bool {
	cmd := testutil.Command(t, role, args...)
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
	read, enough := make(chan struct{}), make(chan struct{}, 1)
	go func() {
		defer close(read)
		left := 1 + rand.IntN(40)
		for lines := bufio.NewScanner(out); lines.Scan(); left-- {
			note(lines.Text())
			if left == 0 {
				enough <- struct{}{}
			}
		}
	}()
	more := true
	select {
	case <-enough:
	case <-read:
		t.Errorf("%s failed", role)
		more = false
	case <-done:
		more = false
	}
	select {
	case <-done:
		more = false
	default:
	}
	cmd.Process.Kill()
	<-read
	return more
}

func init() {
	roles["send work"] = func() {
		q := openWork()
		for i := 0; ; i++ {
			err := q.Send(context.Background(), mq.Message{Type: 1, Data: work(number(2), i)})
			expect(err == nil, "%v", err)
			fmt.Println(number(2), i)
		}
	}
	roles["receive work"] = func() {
		q := openWork()
		check := func(m mq.Message) string {
			head, _, _ := strings.Cut(string(m.Data[:min(len(m.Data), 30)]), ":")
			var sender, i int
			_, err := fmt.Sscan(head, &sender, &i)
			expect(err == nil && !m.Truncated && bytes.Equal(m.Data, work(sender, i)), "%q: %d bytes, Truncated %v, %v", head, len(m.Data), m.Truncated, err)
			return head
		}
		if os.Args[3] == "receive" {
			for m, err := range mq.AllInto(context.Background(), q) {
				expect(err == nil, "%v", err)
				fmt.Println(check(m))
			}
		}
		r, err := q.SelectLeases(mq.Any())
		expect(err == nil, "%v", err)
		for {
			l, err := r.Lease(context.Background())
			expect(err == nil, "%v", err)
			fmt.Println(check(l.Message()))
			err = l.Ack(context.Background())
			expect(err == nil, "%v", err)
		}
	}
}

func openWork() *large.Queue {
	q, err := sysv.OpenID(number(1), &sysv.Config{Lease: time.Minute})
	expect(err == nil, "%v", err)
	w, err := large.Wrap(q, &large.Config{MaxPayload: 1 << 20, Memory: 4 << 20})
	expect(err == nil, "%v", err)
	return w
}
