package handle_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ipcmq/internal/handle"
	"ipcmq/mq"
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

func TestAHandleSaysWhyItCannotBeUsed(t *testing.T) {
	h := handle.Handle{Name: "key 0x0000002a", Access: mq.ReadOnly}
	if err := h.Usable("receive", true, false); err != nil {
		t.Error(err)
	}
	if err := h.Usable("receive", true, true); !errors.Is(err, mq.ErrClosed) {
		t.Error(err)
	}
	const text = "mq: send key 0x0000002a: the handle was opened"
	for _, closed := range []bool{false, true} {
		if err := h.Usable("send", false, closed); !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(err.Error(), text) {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Ended("send", ctx, false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := h.Ended("send", ctx, true); !errors.Is(err, mq.ErrClosed) || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAllOwnersMustBeTrusted(t *testing.T) {
	h := handle.Handle{Name: "key 0x0000002a"}
	owner, creator := handle.Owner{Role: "owner", UID: 7}, handle.Owner{Role: "creator", UID: 8}
	for _, c := range []struct {
		trusted []int
		text    string
	}{
		{nil, ""},
		{[]int{7, 8}, ""},
		{[]int{7}, "creator 8 is not among the trusted users [7]"},
		{[]int{8}, "owner 7 is not among the trusted users [8]"},
		{[]int{0}, "owner 7"},
	} {
		err := h.CheckOwners(c.trusted, owner, creator)
		if c.text == "" {
			if err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%v: %v", c.trusted, err)
		}
	}
}
