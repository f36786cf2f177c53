// Package handle holds what the handles of all kinds of queues have in common: a
// name, an access, and their errors.
package handle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"ipcmq/mq"
)

// A Handle is the name of a queue, and the access with which it was opened.
type Handle struct {
	Name   string // of the queue, as errors have it
	Access mq.Access
}

// Fail returns the error of an operation on the queue. err is the cause, such as
// an errno, or nil.
func (h *Handle) Fail(op string, kind, err error, detail string) *mq.Error {
	return &mq.Error{Op: op, Queue: h.Name, Kind: kind, Err: err, Detail: detail}
}

// Usable returns the error of an operation that the access does not allow, or
// that comes after Close, and otherwise nil.
func (h *Handle) Usable(op string, allowed, closed bool) error {
	switch {
	case !allowed:
		return h.Fail(op, fs.ErrPermission, nil, "the handle was opened "+h.Access.String())
	case closed:
		return h.Fail(op, mq.ErrClosed, nil, "")
	}
	return nil
}

// Ended returns the error of a call that Close or the end of ctx has ended.
func (h *Handle) Ended(op string, ctx context.Context, closed bool) *mq.Error {
	if closed {
		return h.Fail(op, mq.ErrClosed, nil, "")
	}
	return Ended(op, h.Name, ctx)
}

// Clock returns the time by the clock of the system, or an error if it is not
// known.
func (h *Handle) Clock(id [16]byte, now time.Duration, err error) (mq.ClockTime, error) {
	if err != nil {
		return mq.ClockTime{}, h.Fail("clock", errors.ErrUnsupported, nil, fmt.Sprintf("the time since the boot is not known: %v", err))
	}
	return mq.ClockTime{ID: id, Time: now}, nil
}

// An Owner is a user with rights over a queue, such as its creator.
type Owner struct {
	Role string
	UID  uint32
}

// CheckOwners returns an error unless all the owners are among the trusted users;
// if none are named, all are trusted.
func (h *Handle) CheckOwners(trusted []int, owners ...Owner) error {
	if len(trusted) == 0 {
		return nil
	}
	for _, o := range owners {
		if !slices.Contains(trusted, int(o.UID)) {
			return h.Fail("open", fs.ErrPermission, nil,
				fmt.Sprintf("%s %d is not among the trusted users %v: someone else put this queue there", o.Role, o.UID, trusted))
		}
	}
	return nil
}

// Ended returns the error of a call that was ended by ctx, which has ended: it
// matches ctx.Err() and the cause of ctx, and its text shows both.
func Ended(op, queue string, ctx context.Context) *mq.Error {
	e := &mq.Error{Op: op, Queue: queue, Kind: ctx.Err()}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(ctx.Err(), cause) {
		e.Err, e.Detail = cause, fmt.Sprintf("%v: %v", ctx.Err(), cause)
	}
	return e
}
