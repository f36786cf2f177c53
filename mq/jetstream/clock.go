package jetstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"ipcmq/mq"
)

var _ mq.Clocked = (*Queue)(nil)

// clockLife is how long a reading of the server's clock is used.
const clockLife = 10 * time.Second

// A clock is the last reading of the server's clock.
type clock struct {
	mu   sync.Mutex
	time mq.ClockTime
	at   time.Time // by the clock of this host, used only to measure how long ago it was
}

// now returns the time, and whether its reading is recent; at is zero if there is none.
func (c *clock) now() (t mq.ClockTime, at time.Time, lately bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := time.Since(c.at)
	return mq.ClockTime{ID: c.time.ID, Time: c.time.Time + age}, c.at, age < clockLife
}

// Clock reads the clock of the server that stores the queue, in a cluster that of the
// leader, whatever the clocks of the clients say. It asks for the time every 10 seconds,
// and is off by at most half the time of the answer. Another leader has another ID.
// Clock waits a second for a first answer; without one the error matches
// [mq.ErrUnavailable].
func (q *Queue) Clock(ctx context.Context) (mq.ClockTime, error) {
	const op = "clock"
	known, at, lately := q.clock.now()
	if lately {
		return known, nil
	}
	c, err := q.begin(op, ctx, true, true)
	if err != nil {
		return mq.ClockTime{}, err
	}
	defer c.end()
	limited, cancel := context.WithTimeout(c.ctx, answerWait)
	defer cancel()
	asked := time.Now()
	info, err := q.stream(limited, 0)
	answered := time.Now()
	switch {
	case err != nil && !at.IsZero():
		return known, nil
	case err != nil:
		return mq.ClockTime{}, q.failed(op, err)
	case info.TimeStamp.IsZero():
		return mq.ClockTime{}, q.unsupported(op, errors.ErrUnsupported, "the server does not tell the time")
	}
	leader := ""
	if info.Cluster != nil {
		leader = info.Cluster.Leader
	}
	sum := sha256.Sum256([]byte(info.Config.Name + " " + q.id + " " + info.Created.UTC().Format(time.RFC3339Nano) + " " + leader))
	t := mq.ClockTime{ID: [16]byte(sum[:]), Time: time.Duration(info.TimeStamp.UnixNano()) + answered.Sub(asked)/2}
	q.clock.mu.Lock()
	defer q.clock.mu.Unlock()
	q.clock.time, q.clock.at = t, answered
	return t, nil
}
