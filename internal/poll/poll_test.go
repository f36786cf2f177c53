package poll_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/poll"
)

// try polls once; the n-th look finds something, or none if n is 0. It returns
// whether it polled, and the number of looks.
func try(ctx context.Context, p *poll.Poller, n int) (polled bool, looks int) {
	round, ok := p.Begin(ctx)
	for polled = ok; ok; {
		if looks++; looks == n {
			round.Found()
			return polled, looks
		}
		ok = round.Again(ctx)
	}
	return polled, looks
}

func TestPollsRarelyIfPollingFindsNothing(t *testing.T) {
	p := poll.New(time.Nanosecond) // one look each time it polls
	var polled []int
	for wait := 1; wait <= 1100; wait++ {
		if ok, _ := try(t.Context(), p, 0); ok {
			polled = append(polled, wait)
		}
	}
	want := []int{1, 2, 3, 4, 5, 9, 17, 33, 65, 129, 257, 513, 769, 1025}
	if !slices.Equal(polled, want) {
		t.Errorf("polled before the waits %v, want %v", polled, want)
	}
	found := false
	for wait := range 256 {
		ok, _ := try(t.Context(), p, 1)
		if found && !ok {
			t.Fatalf("it does not poll before wait %d, after a poll that has found something", wait)
		}
		found = found || ok
	}
	if !found {
		t.Error("it does not poll within 256 waits")
	}
}

func TestPollsAsLongAsItPays(t *testing.T) {
	for _, c := range []struct {
		every  int // one in this many polls finds something
		atMost int // polls of 10,000 waits
	}{{1, 10_000}, {1000, 100}} {
		p, polls := poll.New(time.Nanosecond), 0
		for range 10_000 {
			found := 0
			if (polls+1)%c.every == 0 {
				found = 1
			}
			if ok, _ := try(t.Context(), p, found); ok {
				polls++
			}
		}
		if polls > c.atMost || c.every == 1 && polls < c.atMost {
			t.Errorf("one poll in %d finds something: %d polls", c.every, polls)
		}
	}
}

func TestLooksUntilSomethingIsFound(t *testing.T) {
	for _, n := range []int{1, 2, 15, 16, 17, 1000} {
		if _, looks := try(t.Context(), poll.New(time.Hour), n); looks != n {
			t.Errorf("%d looks for what comes with the %d.", looks, n)
		}
	}
}

func TestPollingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := poll.New(time.Hour)
	round, ok := p.Begin(ctx)
	for looks := 1; ok; looks++ {
		if looks == 100 {
			cancel()
		}
		if ok = round.Again(ctx); looks > 120 {
			t.Fatal("it continues after a cancel")
		}
	}
	if _, ok := p.Begin(ctx); ok {
		t.Error("it polls under an ended context")
	}
}

func TestNoTimeMeansNoPolling(t *testing.T) {
	for _, spin := range []time.Duration{0, -1} {
		if ok, _ := try(t.Context(), poll.New(spin), 1); ok {
			t.Errorf("it polls for %v", spin)
		}
	}
}

func TestPollingEndsWhereTimeStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, looks := try(t.Context(), poll.New(poll.For), 0); looks == 0 {
			t.Error("it does not poll")
		}
	})
}
