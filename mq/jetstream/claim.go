package jetstream

import (
	"context"
	"slices"
	"time"

	"ipcmq/mq"
)

const (
	// lookAgain is how often a waiting receiver looks for a message that it was
	// not woken for, and how often it checks that the queue is still the same one.
	lookAgain = 500 * time.Millisecond

	// maxSkip is how many messages of the excluded type are skipped one by one
	// before the types of all messages are requested.
	maxSkip = 16
)

// claims takes messages in claim mode: it reads the next one and deletes it,
// which the server allows only one receiver.
type claims struct {
	q        *Queue
	selector mq.Selector
}

// A stored is a message as the API returns it.
type stored struct {
	Subject  string `json:"subject"`
	Sequence uint64 `json:"seq"`
	Data     []byte `json:"data"`
}

// take takes one message permanently. It takes only one: servers delete messages one
// by one, and others compete for them.
func (r *claims) take(c *call, _ int) ([]mq.Message, error) {
	q := r.q
	leave := func() {}
	defer func() { leave() }()
	var got *stored
	err := c.retry(&tries{
		try: func() error {
			m, err := r.find(c.ctx)
			if err != nil {
				return err
			}
			if m == nil {
				return errNoMessage
			}
			claimed, err := r.claim(c, m.Sequence)
			if err == nil && !claimed {
				return errNow // another receiver was quicker
			}
			got = m
			return err
		},
		hear: func() (bell *bell, err error) {
			if err := q.subscribe(q.subjects.wakes(), q.wakes.ringSubject); err != nil {
				return nil, err
			}
			bell, leave = q.wakes.enter(r.selector)
			return bell, nil
		},
		look: lookAgain,
	})
	if err != nil {
		return nil, err
	}
	q.tellRoom()
	if got.Data == nil {
		got.Data = []byte{}
	}
	return []mq.Message{{Type: typeOf(got.Subject), Data: got.Data}}, nil
}

// claim deletes a message and reports whether this receiver has it. In doubt it
// has: the message may then be received twice, but is not lost. An error means
// that the message was not taken.
func (r *claims) claim(c *call, sequence uint64) (bool, error) {
	request := struct {
		Sequence uint64 `json:"seq"`
		NoErase  bool   `json:"no_erase"`
	}{sequence, true}
	// A single server loses an answer only with the connection: asking again sooner
	// would leave open who has the message.
	wait := answerWait
	if c.waits && r.q.isOneServer() {
		wait = settleWait
	}
	doubt, again := false, false
	err := c.settle(func(ctx context.Context) error {
		if again { // the sequence could be that of a message in another queue
			if _, err := r.q.stream(ctx, graceWait); err != nil {
				return err
			}
		}
		again = true
		err := r.q.apiFor(ctx, wait, answerWait, "STREAM.MSG.DELETE."+r.q.subjects.stream, request, nil)
		doubt = doubt || isDoubtful(err)
		return err
	})
	switch {
	case err == nil || doubt:
		return true, nil
	case meaningOf(err) == absent:
		return false, nil
	}
	return false, err
}

// recognize returns an error if another queue of the same name has replaced the
// queue. It asks the server unless it has got an answer within lookAgain.
func (q *Queue) recognize(ctx context.Context) error {
	start := time.Now()
	q.mu.Lock()
	recent := start.Sub(q.recognized) < lookAgain
	q.mu.Unlock()
	if recent {
		return nil
	}
	if _, err := q.stream(ctx, graceWait); err != nil {
		return err
	}
	q.mu.Lock()
	q.recognized = start
	q.mu.Unlock()
	return nil
}

// find returns the next message, or nil if there is none.
func (r *claims) find(ctx context.Context) (*stored, error) {
	if err := r.q.recognize(ctx); err != nil {
		return nil, err
	}
	s := r.q.subjects
	switch r.selector.Kind() {
	case mq.SelectUpTo:
		types, err := r.types(ctx)
		if err != nil {
			return nil, err
		}
		slices.Sort(types)
		for _, t := range types {
			if t > r.selector.Type() {
				break
			}
			if m, err := r.next(ctx, 1, s.message(t)); m != nil || err != nil {
				return m, err
			}
		}
		return nil, nil
	case mq.SelectExcept:
		from := uint64(1)
		for range maxSkip {
			m, err := r.next(ctx, from, s.types())
			if m == nil || err != nil || r.selector.Matches(typeOf(m.Subject)) {
				return m, err
			}
			from = m.Sequence + 1
		}
		types, err := r.types(ctx)
		if err != nil {
			return nil, err
		}
		var first *stored
		for _, t := range types {
			if !r.selector.Matches(t) {
				continue
			}
			m, err := r.next(ctx, from, s.message(t))
			if err != nil {
				return nil, err
			}
			if m != nil && (first == nil || m.Sequence < first.Sequence) {
				first = m
			}
		}
		return first, nil
	}
	return r.next(ctx, 1, s.filter(r.selector))
}

// next returns the first message with a subject, from a sequence on, or nil.
func (r *claims) next(ctx context.Context, from uint64, subject string) (*stored, error) {
	request := struct {
		Sequence uint64 `json:"seq"`
		Next     string `json:"next_by_subj"`
	}{from, subject}
	var response struct {
		Message *stored `json:"message"`
	}
	// Without grace, calls that give up soon would never get to take a message.
	err := r.q.api(ctx, graceWait, "STREAM.MSG.GET."+r.q.subjects.stream, request, &response)
	if meaningOf(err) == absent {
		return nil, nil
	}
	return response.Message, err
}

// types returns the types of all messages in the queue.
func (r *claims) types(ctx context.Context) ([]int64, error) {
	var all []int64
	for offset := 0; ; {
		request := struct {
			Filter string `json:"subjects_filter"`
			Offset int    `json:"offset,omitempty"`
		}{r.q.subjects.types(), offset}
		var response struct {
			Total int `json:"total"`
			State struct {
				Subjects map[string]uint64 `json:"subjects"`
			} `json:"state"`
		}
		if err := r.q.api(ctx, graceWait, "STREAM.INFO."+r.q.subjects.stream, request, &response); err != nil {
			return nil, err
		}
		for subject := range response.State.Subjects {
			if t := typeOf(subject); t > 0 {
				all = append(all, t)
			}
		}
		offset += len(response.State.Subjects)
		if len(response.State.Subjects) == 0 || offset >= response.Total {
			return all, nil
		}
	}
}
