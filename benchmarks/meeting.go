package main

import (
	"context"
	"errors"
	"os"
)

// A meeting is what the processes of one run share, in addition to the addresses in
// their jobs.
type meeting struct {
	files  []*os.File   // inherited by every process, from descriptor 3 on
	server *server      // carries the messages; its processor time counts; may be nil
	remove func() error // call it in any case; may be nil
}

// meet creates the meeting that the contender c needs for j.
func (b *bench) meet(ctx context.Context, backend backend, c contender, j *job, two bool) (m meeting, err error) {
	if c.meet != nil {
		m, err = c.meet(ctx, b, j)
	} else {
		m.remove, err = j.makeQueues(backend, two)
	}
	if m.remove == nil {
		m.remove = func() error { return nil }
	}
	return m, err
}

// makeQueues creates the queues of the job, one or two. Call remove in any case.
func (j *job) makeQueues(b backend, two bool) (remove func() error, err error) {
	var removes []func() error
	remove = func() error { return ends(removes...)() }
	add := func() (string, error) {
		address, r, err := b.create()
		if err == nil {
			removes = append(removes, r)
		}
		return address, err
	}
	if j.There, err = add(); err != nil {
		return remove, err
	}
	j.Back = j.There
	if two {
		j.Back, err = add()
	}
	return remove, err
}

var errNotThere = errors.New("not there")
