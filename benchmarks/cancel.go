package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"ipcmq/mq"
)

// cancel cancels waiting receives, and measures from the cancel to the return of the
// receive.
func (j job) cancel(ctx context.Context, q mq.Queue) (report, error) {
	type ended struct {
		at  time.Time
		err error
	}
	waits, ends := make(chan context.Context), make(chan ended)
	go func() {
		for ctx := range waits {
			_, err := q.Receive(ctx)
			ends <- ended{time.Now(), err}
		}
	}()
	defer close(waits)
	r := report{Cancels: make([]time.Duration, j.Count)}
	for i := range r.Cancels {
		ctx, stop := context.WithCancel(ctx)
		waits <- ctx
		// Long enough for the receive to fall asleep, and never in phase with anything.
		time.Sleep(200*time.Microsecond + time.Duration(i%97)*time.Microsecond)
		began := time.Now()
		stop()
		end := <-ends
		if !errors.Is(end.err, context.Canceled) {
			return report{}, fmt.Errorf("canceled receive returned %w", end.err)
		}
		r.Cancels[i] = end.at.Sub(began)
	}
	slices.Sort(r.Cancels)
	return r, nil
}

// cancelTogether ends many receives with one context, and measures from its cancel to
// the return of the last, each time.
func (j job) cancelTogether(ctx context.Context, q mq.Queue) (report, error) {
	r := report{Cancels: make([]time.Duration, j.Count)}
	for i := range r.Cancels {
		ctx, stop := context.WithCancel(ctx)
		var receives errgroup.Group
		for range j.Callers {
			receives.Go(func() error {
				if _, err := q.Receive(ctx); !errors.Is(err, context.Canceled) {
					return fmt.Errorf("canceled receive returned %w", err)
				}
				return nil
			})
		}
		time.Sleep(20 * time.Millisecond) // until they wait
		began := time.Now()
		stop()
		if err := receives.Wait(); err != nil {
			return report{}, err
		}
		r.Cancels[i] = time.Since(began)
	}
	slices.Sort(r.Cancels)
	return r, nil
}
