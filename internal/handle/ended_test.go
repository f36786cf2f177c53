package handle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ipcmq/internal/handle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEndedShowsTheErrorAndTheCause(t *testing.T) {
	why := errors.New("the shop has closed")
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	plain, stop := context.WithCancel(t.Context())
	stop()
	late, drop := context.WithDeadlineCause(t.Context(), time.Now().Add(-time.Second), why)
	defer drop()
	for name, tt := range map[string]struct {
		ctx   context.Context
		cause error
		text  string
	}{
		"canceled":             {plain, context.Canceled, "mq: send key 0x0000002a: context canceled"},
		"canceled for a cause": {canceled, why, "mq: send key 0x0000002a: context canceled: the shop has closed"},
		"deadline and cause":   {late, why, "mq: send key 0x0000002a: context deadline exceeded: the shop has closed"},
	} {
		err := handle.Ended("send", "key 0x0000002a", tt.ctx)
		if !errors.Is(err, tt.ctx.Err()) || !errors.Is(err, tt.cause) || err.Error() != tt.text {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Count(err.Error(), tt.ctx.Err().Error()) != 1 {
			t.Errorf("%s: the error is repeated: %v", name, err)
		}
	}
}
