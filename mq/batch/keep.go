package batch

import (
	"context"
	"slices"
	"time"
)

// keep extends the lease of the frame while it is in use, and gives back its free parts when it is
// not. It puts back parts whose lease or delay is over. It returns when the frame is done or its
// lease has run out.
func (f *lentFrame) keep() {
	l := &f.q.lent
	renew := time.Now().Add(f.length / 2)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-f.changed:
		case <-l.done:
			return
		}
		l.mu.Lock()
		now, deadline := time.Now(), f.lease.Deadline()
		if !f.over && !now.Before(deadline) {
			f.end() // the whole frame is lent again
		}
		if f.over {
			l.mu.Unlock()
			return
		}
		parts, next, holds := f.due(now)
		used := holds || len(l.waiting) > 0 || now.Sub(l.last) < f.length
		late := f.ackLate
		l.mu.Unlock()

		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		f.putBack(ctx, 0, parts...)
		if !now.Before(renew) {
			switch {
			case late:
				f.finish(ctx)
			case used || f.giveBack(ctx, free):
				f.lease.Extend(ctx) // if it fails, there is time to retry
			}
			now = time.Now()
			renew = now.Add(max(f.lease.Deadline().Sub(now)/2, time.Millisecond))
		}
		cancel()
		if renew.Before(next) || next.IsZero() {
			next = renew
		}
		timer.Reset(time.Until(next))
	}
}

// due marks the parts whose lease or delay is over as leaving. It returns them,
// the time when the next one is due, if any, and whether parts are held. The lock
// is held.
func (f *lentFrame) due(now time.Time) (parts []int, next time.Time, holds bool) {
	for i := range f.parts {
		p := &f.parts[i]
		switch {
		case p.state != held && p.state != delayed:
		case !now.Before(p.until):
			p.state = leaving
			parts = append(parts, i)
		default:
			holds = holds || p.state == held
			if next.IsZero() || p.until.Before(next) {
				next = p.until
			}
		}
	}
	return parts, next, holds
}

// giveBack gives back what nobody holds of a frame that is not in use: the frame
// itself, if none of its parts are held, delayed or done, and otherwise the
// parts, up to the given state, as single messages. It reports whether parts are
// left.
func (f *lentFrame) giveBack(ctx context.Context, upTo state) (left bool) {
	l := &f.q.lent
	l.mu.Lock()
	if slices.ContainsFunc(f.parts, func(p part) bool { return p.state > upTo }) {
		parts := f.leave(upTo)
		l.mu.Unlock()
		f.putBack(ctx, 0, parts...)
		l.mu.Lock()
		defer l.mu.Unlock()
		return f.left > len(f.free)
	}
	f.end()
	l.mu.Unlock()
	f.lease.Nak(ctx, 0) // if that fails, the lease runs out
	return false
}

// giveBack gives back what nobody holds. Frames with held parts are left alone:
// they are lent again as a whole.
func (l *lent) giveBack(ctx context.Context) {
	l.mu.Lock()
	var unused []*lentFrame
	for _, f := range l.frames {
		if !slices.ContainsFunc(f.parts, func(p part) bool { return p.state == held || p.state == leaving }) {
			unused = append(unused, f)
		}
	}
	l.mu.Unlock()
	for _, f := range unused {
		f.giveBack(ctx, delayed)
	}
}
