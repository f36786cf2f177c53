package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

func leases(t *testing.T, q *jetstream.Queue, s mq.Selector) mq.LeaseReceiver {
	t.Helper()
	r, err := q.SelectLeases(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func leaseOne(t *testing.T, r mq.LeaseReceiver) mq.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	l, err := r.Lease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// timely repeats check until it returns before the time that it gives: on a busy
// machine, leases may run out before check is done with them.
func timely(t *testing.T, check func() (by time.Time, err error)) {
	t.Helper()
	for range 10 {
		by, err := check()
		if time.Now().After(by) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("in 10 tries, nothing was done before a lease ran out: leases are too short for this machine")
}

func TestWhatASlowHolderKeepsIsLentAgain(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	const wait = time.Second
	var q *jetstream.Queue
	var slow mq.Lease
	var rest mq.LeaseReceiver
	var start time.Time
	timely(t, func() (time.Time, error) {
		q = openQueue(t, url, newName(), &jetstream.Config{AckWait: wait})
		rest = leases(t, openQueue(t, url, q.Name(), nil), mq.Any())
		for _, text := range []string{"slow", "quick"} {
			if err := q.Send(t.Context(), mq.Message{Type: 1, Data: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		start = time.Now()
		slow = leaseOne(t, leases(t, q, mq.Any()))
		if d := slow.Deadline().Sub(start); string(slow.Message().Data) != "slow" || slow.Attempt() != 1 || d < wait/2 || d > 2*wait {
			return slow.Deadline(), fmt.Errorf("%q, attempt %d, runs out after %v", slow.Message().Data, slow.Attempt(), d)
		}
		quick := leaseOne(t, rest)
		if string(quick.Message().Data) != "quick" || quick.Sequence() <= slow.Sequence() {
			return slow.Deadline(), fmt.Errorf("%q, %d after %d", quick.Message().Data, quick.Sequence(), slow.Sequence())
		}
		return slow.Deadline(), quick.Ack(t.Context())
	})
	again := leaseOne(t, rest)
	if took := time.Since(start); string(again.Message().Data) != "slow" || again.Attempt() != 2 || again.Sequence() != slow.Sequence() || took < wait/2 {
		t.Errorf("%q, attempt %d, sequence %d (was %d), after %v", again.Message().Data, again.Attempt(), again.Sequence(), slow.Sequence(), took)
	}
	// The slow holder gets no error, and the message is gone for both.
	if err := slow.Ack(t.Context()); err != nil {
		t.Errorf("Ack of a lease that has run out: %v", err)
	}
	if err := again.Ack(t.Context()); err != nil {
		t.Errorf("Ack after the slow holder's: %v", err)
	}
	s, err := q.Stat(t.Context())
	if err != nil || s.Messages != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestAHolderThatExtendsKeepsTheLease(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	const wait = 500 * time.Millisecond
	timely(t, func() (by time.Time, err error) {
		q := openQueue(t, url, newName(), &jetstream.Config{AckWait: wait})
		other := leases(t, openQueue(t, url, q.Name(), nil), mq.Any())
		if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
		held := leaseOne(t, leases(t, q, mq.Any()))
		ctx, cancel := context.WithTimeout(t.Context(), 3*wait)
		defer cancel()
		stolen := make(chan error, 1)
		go func() {
			l, err := other.Lease(ctx)
			if err == nil {
				err = fmt.Errorf("lent for attempt %d, though it was extended", l.Attempt())
			}
			stolen <- err
		}()
		again := time.NewTicker(wait / 5)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				before := held.Deadline()
				if err := held.Extend(t.Context()); err != nil {
					t.Fatal(err)
				}
				if time.Now().After(before) {
					return before, nil // too late
				}
				if !held.Deadline().After(before) {
					t.Errorf("Extend left the deadline at %v", before)
				}
				continue
			case err = <-stolen:
			}
			break
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = held.Ack(t.Context())
		}
		return held.Deadline(), err
	})
}

func init() {
	// hold takes messages on lease and keeps them.
	roles["hold"] = func() {
		q, err := jetstream.Open(context.Background(), os.Args[1], os.Args[2], nil)
		must(err)
		r, err := q.SelectLeases(mq.Any())
		must(err)
		for {
			all, err := r.LeaseBatch(context.Background(), 2)
			must(err)
			for _, l := range all {
				fmt.Println(string(l.Message().Data))
			}
		}
	}
}

func TestWhatADeadHolderKeptIsLentAgain(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, "dead", &jetstream.Config{AckWait: time.Second})
	holder := testutil.Command(t, "hold", url, "dead")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := q.Send(t.Context(), mq.Message{Type: 1, Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		var held int
		if _, err := fmt.Fscan(out, &held); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := q.Stat(t.Context()); err != nil || s.Messages != 2 {
		t.Errorf("with a holder: %+v, %v", s, err)
	}
	holder.Process.Kill()
	holder.Wait()
	r := leases(t, q, mq.Any())
	got := map[string]int{}
	for range 2 {
		l := leaseOne(t, r)
		got[string(l.Message().Data)] = l.Attempt()
		if err := l.Ack(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got["0"] < 2 || got["1"] < 2 {
		t.Errorf("messages with their attempts: %v", got)
	}
}

func TestTwoProgramsThatSelectDifferently(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, pair := range []struct{ first, second mq.Selector }{
		{mq.Any(), mq.Type(5)},
		{mq.Type(5), mq.Any()},
	} {
		t.Run(fmt.Sprint(pair.first, " before ", pair.second), func(t *testing.T) {
			name := fmt.Sprint("both-", int(pair.first.Kind()))
			one := openQueue(t, url, name, nil)
			two := openQueue(t, url, name, nil)
			use := func(q *jetstream.Queue, s mq.Selector) error {
				r, err := q.Select(s)
				if err == nil {
					_, err = r.TryReceive()
				}
				return err
			}
			if err := use(one, pair.first); !errors.Is(err, mq.ErrEmpty) {
				t.Fatal(err)
			}
			if err := one.Send(t.Context(), mq.Message{Type: 5}); err != nil {
				t.Fatal(err)
			}
			if err := use(two, pair.second); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("the second program: %v", err)
			} else {
				t.Log(err)
			}
			// The first is not disturbed, and others may select as it does.
			if err := use(two, pair.first); err != nil {
				t.Error(err)
			}
			if err := use(one, pair.first); !errors.Is(err, mq.ErrEmpty) {
				t.Error(err)
			}
		})
	}
}

// Whoever comes first decides, even if both come at once.
func TestTwoProgramsThatSelectDifferentlyAtOnce(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for i := range 20 {
		name := fmt.Sprint("race-", i)
		var errs [2]error
		var both sync.WaitGroup
		for j, s := range []mq.Selector{mq.Any(), mq.Type(5)} {
			q := openQueue(t, url, name, nil)
			both.Go(func() {
				r, err := q.Select(s)
				if err == nil {
					_, err = r.TryReceive()
				}
				errs[j] = err
			})
		}
		both.Wait()
		unsupported := 0
		for _, err := range errs {
			switch {
			case errors.Is(err, errors.ErrUnsupported):
				unsupported++
			case !errors.Is(err, mq.ErrEmpty):
				t.Error(err)
			}
		}
		if unsupported != 1 {
			t.Errorf("%v", errs)
		}
	}
}
