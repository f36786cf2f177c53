package mq_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"ipcmq/mq"
)

func TestErrorTextNamesOperationQueueAndReason(t *testing.T) {
	cause := errors.New("the cause")
	for _, test := range []struct {
		name string
		err  mq.Error
		want string
	}{
		{"operation alone", mq.Error{Op: "send"}, "mq: send"},
		{"a kind", mq.Error{Op: "send", Queue: "key 0x2a", Kind: mq.ErrFull}, "mq: send key 0x2a: queue is full"},
		{"a cause", mq.Error{Op: "send", Queue: "key 0x2a", Err: cause}, "mq: send key 0x2a: the cause"},
		{"the kind replaces the errno", mq.Error{Op: "send", Kind: mq.ErrFull, Err: cause}, "mq: send: queue is full"},
		{"detail replaces the kind", mq.Error{Op: "send", Kind: mq.ErrTooLarge, Err: cause, Detail: "9000 bytes"}, "mq: send: 9000 bytes"},
		{"detail adds to a cause", mq.Error{Op: "open", Err: cause, Detail: "no room"}, "mq: open: no room: the cause"},
		{"detail alone", mq.Error{Op: "open", Detail: "no room"}, "mq: open: no room"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.err.Error(); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestErrorMatchesKindAndCause(t *testing.T) {
	cause := errors.New("the cause")
	for _, kind := range []error{nil, mq.ErrFull, mq.ErrClosed, fs.ErrExist} {
		for _, inner := range []error{nil, cause} {
			err := fmt.Errorf("wrapped: %w", &mq.Error{Op: "send", Kind: kind, Err: inner})
			for _, target := range []error{mq.ErrFull, mq.ErrClosed, fs.ErrExist, cause} {
				want := target == kind || target == inner
				if got := errors.Is(err, target); got != want {
					t.Errorf("kind %v, cause %v: errors.Is(err, %v) = %v", kind, inner, target, got)
				}
			}
			var e *mq.Error
			if !errors.As(err, &e) || e.Op != "send" {
				t.Errorf("errors.As finds %+v", e)
			}
		}
	}
}

func TestSentinelsAreTheirOwn(t *testing.T) {
	if !errors.Is(mq.ErrClosed, os.ErrClosed) || !errors.Is(mq.ErrClosed, fs.ErrClosed) {
		t.Error("ErrClosed is not os.ErrClosed")
	}
	all := []error{mq.ErrClosed, mq.ErrRemoved, mq.ErrFull, mq.ErrEmpty, mq.ErrTooLarge,
		mq.ErrInvalidType, mq.ErrInvalidPriority, mq.ErrInvalidConfig}
	for i, a := range all {
		for j, b := range all {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("errors.Is(%v, %v) = %v", a, b, i != j)
			}
		}
	}
}
