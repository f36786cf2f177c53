package lazy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/lazy"
	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, nil) }

var errCause = errors.New("the cause")

type key struct{}

func TestAContextIsLikeThoseOfPackageContext(t *testing.T) {
	parent := context.WithValue(context.Background(), key{}, "value")
	for name, c := range map[string]struct {
		end         func(*lazy.Context)
		want, cause error
	}{
		"its time":            {func(*lazy.Context) { <-time.After(time.Second); synctest.Wait() }, context.DeadlineExceeded, errCause},
		"Cancel":              {func(c *lazy.Context) { c.Cancel(nil) }, context.Canceled, context.Canceled},
		"Cancel with a cause": {func(c *lazy.Context) { c.Cancel(errCause); c.Cancel(nil) }, context.Canceled, errCause},
	} {
		for asked, ask := range map[string]func(context.Context) context.Context{
			"never asked":  func(ctx context.Context) context.Context { return ctx },
			"asked before": func(ctx context.Context) context.Context { ctx.Done(); return ctx },
			"with a child": func(ctx context.Context) context.Context {
				child, cancel := context.WithCancel(ctx)
				t.Cleanup(cancel)
				return child
			},
			"with a value": func(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, "value") },
		} {
			t.Run(name+", "+asked, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					own := lazy.New(parent, time.Now().Add(time.Second), errCause)
					defer own.Cancel(nil)
					if at, ok := own.Deadline(); !ok || !at.Equal(time.Now().Add(time.Second)) {
						t.Errorf("deadline %v, %v", at, ok)
					}
					ctx := ask(own)
					if ctx.Err() != nil || context.Cause(ctx) != nil {
						t.Errorf("before: %v, %v", ctx.Err(), context.Cause(ctx))
					}
					c.end(own)
					synctest.Wait()
					for _, ctx := range []context.Context{own, ctx} {
						if ctx.Err() != c.want || context.Cause(ctx) != c.cause || ctx.Value(key{}) != "value" {
							t.Errorf("after: %v, %v, %v", ctx.Err(), context.Cause(ctx), ctx.Value(key{}))
						}
						<-ctx.Done()
					}
				})
			})
		}
	}
}

func TestAContextEndsWithItsParent(t *testing.T) {
	for _, at := range []time.Time{{}, time.Now().Add(time.Hour)} {
		parent, cancel := context.WithCancelCause(context.Background())
		c := lazy.New(parent, at, nil)
		defer c.Cancel(nil)
		cancel(errCause)
		if c.Err() != context.Canceled || context.Cause(c) != errCause {
			t.Errorf("%v, %v", c.Err(), context.Cause(c))
		}
	}
}

func TestTheEarlierDeadlineIsThatOfAContext(t *testing.T) {
	soon, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, at := range []time.Time{{}, time.Now().Add(time.Hour)} {
		c := lazy.New(soon, at, nil)
		defer c.Cancel(nil)
		if at, ok := c.Deadline(); !ok || time.Until(at) > time.Minute {
			t.Errorf("deadline %v, %v", at, ok)
		}
	}
	c := lazy.New(context.Background(), time.Time{}, nil)
	defer c.Cancel(nil)
	if at, ok := c.Deadline(); ok {
		t.Errorf("deadline %v", at)
	}
}
