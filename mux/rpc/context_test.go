package rpc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var errCause = errors.New("the cause")

func TestADeadlineContextIsAsThatOfPackageContext(t *testing.T) {
	type key struct{}
	parent := context.WithValue(context.Background(), key{}, "value")
	for name, end := range map[string]func(*deadlineContext){
		"by its deadline": func(*deadlineContext) { <-time.After(time.Second); synctest.Wait() },
		"by close":        func(c *deadlineContext) { c.close() },
	} {
		for asked, ask := range map[string]func(context.Context){
			"never asked":  func(context.Context) {},
			"asked before": func(ctx context.Context) { ctx.Done() },
			"with a child": func(ctx context.Context) {
				_, cancel := context.WithCancel(ctx)
				t.Cleanup(cancel)
			},
		} {
			t.Run(name+", "+asked, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := withDeadline(parent, time.Now().Add(time.Second), errCause)
					defer c.close()
					if at, ok := c.Deadline(); !ok || !at.Equal(time.Now().Add(time.Second)) {
						t.Errorf("deadline %v, %v", at, ok)
					}
					ask(c)
					if c.Err() != nil || context.Cause(c) != nil {
						t.Errorf("before: %v, %v", c.Err(), context.Cause(c))
					}
					end(c)
					want, cause := context.DeadlineExceeded, errCause
					if name == "by close" {
						want, cause = context.Canceled, context.Canceled
					}
					if c.Err() != want || context.Cause(c) != cause || c.Value(key{}) != "value" {
						t.Errorf("after: %v, %v, %v", c.Err(), context.Cause(c), c.Value(key{}))
					}
					<-c.Done()
				})
			})
		}
	}
}

func TestADeadlineContextEndsWithItsParent(t *testing.T) {
	parent, cancel := context.WithCancelCause(context.Background())
	c := withDeadline(parent, time.Now().Add(time.Hour), nil)
	defer c.close()
	cancel(errCause)
	if c.Err() != context.Canceled || context.Cause(c) != errCause {
		t.Errorf("%v, %v", c.Err(), context.Cause(c))
	}
	soon, cancelSoon := context.WithTimeout(context.Background(), time.Minute)
	defer cancelSoon()
	c2 := withDeadline(soon, time.Now().Add(time.Hour), nil)
	defer c2.close()
	if at, _ := c2.Deadline(); time.Until(at) > time.Minute {
		t.Errorf("deadline in %v", time.Until(at))
	}
}
