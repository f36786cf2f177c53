package integration_test

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A tally is what the senders and receivers of one queue have reported. Messages are
// identified by the name of their sender and a number, such as "patient-7".
type tally struct {
	mu      sync.Mutex
	sends   map[string]string    // "sent", "unsent" or "doubt"
	takes   map[string][]string  // the sequence, each time a message was received
	back    int                  // how often a receiver got a message after a later one of its sender
	inDoubt int                  // acknowledgments
	batched int                  // messages of batches that are certainly stored
	longest time.Duration        // that a Send took
	heard   map[string]time.Time // when a sender last reported a message as sent, by sender
	pause   time.Duration        // the longest between two of those
}

func newTally() *tally {
	return &tally{sends: map[string]string{}, takes: map[string][]string{}, heard: map[string]time.Time{}}
}

// hear records what a process says, until its output ends.
func (c *tally) hear(t *testing.T, out io.Reader) {
	lines := bufio.NewScanner(out)
	last := map[string]int{} // by sender
	for lines.Scan() {
		c.mu.Lock()
		err := c.note(strings.Fields(lines.Text()), last)
		c.mu.Unlock()
		if err != nil {
			t.Errorf("%q: %v", lines.Text(), err)
		}
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
}

func (c *tally) note(words []string, last map[string]int) error {
	switch words[0] {
	case "sent", "unsent", "doubt":
		if before, ok := c.sends[words[1]]; ok {
			return fmt.Errorf("it was %s before", before)
		}
		c.sends[words[1]] = words[0]
		if sender, _, _ := strings.Cut(words[1], "-"); words[0] == "sent" {
			now := time.Now()
			if before, ok := c.heard[sender]; ok {
				c.pause = max(c.pause, now.Sub(before))
			}
			c.heard[sender] = now
		}
	case "got":
		c.takes[words[1]] = append(c.takes[words[1]], words[2])
		sender, digits, _ := strings.Cut(words[1], "-")
		number, err := strconv.Atoi(digits)
		if number < last[sender] {
			c.back++
		}
		last[sender] = number
		return err
	case "unacknowledged":
		c.inDoubt++
	case "longest":
		d, err := time.ParseDuration(words[1])
		c.longest = max(c.longest, d)
		return err
	default:
		return fmt.Errorf("what is %s?", words[0])
	}
	return nil
}

// sent returns how many messages of a sender are certainly stored.
func (c *tally) sent(sender string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for number, what := range c.sends {
		if what == "sent" && strings.HasPrefix(number, sender+"-") {
			n++
		}
	}
	return n
}

// paused returns the longest time in which one of the senders has sent nothing, since
// the last call.
func (c *tally) paused() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.pause
	c.pause = 0
	return d.Round(10 * time.Millisecond)
}

// missing returns an error if something that was sent has not been received.
func (c *tally) missing() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lost []string
	for number, what := range c.sends {
		if what == "sent" && len(c.takes[number]) == 0 {
			lost = append(lost, number)
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		return fmt.Errorf("%d messages that were sent did not arrive, such as %q", len(lost), lost[:min(len(lost), 10)])
	}
	return nil
}

// check fails the test if something is lost, or arrived though its Send said that
// nothing moved, or was stored more than once; and logs what was counted. stored
// is how many messages the queue has ever held.
func (c *tally) check(t *testing.T, name string, stored uint64) {
	t.Helper()
	if err := c.missing(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	sends := map[string]int{}
	for _, what := range c.sends {
		sends[what]++
	}
	again := 0
	for number, sequences := range c.takes {
		if what := c.sends[number]; what != "sent" && what != "doubt" {
			t.Errorf("%s: message %s arrived, but Send said %q", name, number, what)
		}
		again += len(sequences) - 1
		sequences = slices.DeleteFunc(sequences, func(s string) bool { return s == "" })
		slices.Sort(sequences)
		if len(slices.Compact(sequences)) > 1 {
			t.Errorf("%s: message %s was stored more than once: %v", name, number, sequences)
		}
	}
	if stored != uint64(len(c.takes)) {
		t.Errorf("%s: %d messages were stored, and %d different ones received", name, stored, len(c.takes))
	}
	t.Logf("%s: %d sends: %d acknowledged, %d in doubt, %d not sent; longest pause %v; %d received, and %d of them again; %d acknowledgments in doubt; %d times back in order",
		name, len(c.sends), sends["sent"], sends["doubt"], sends["unsent"], c.longest.Round(10*time.Millisecond), len(c.takes), again, c.inDoubt, c.back)
}
