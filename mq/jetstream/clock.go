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

// clockLife is how long the clock of the server is known; then it is asked again.
const clockLife = 10 * time.Second

// A clock is what is known of the server's.
type clock struct {
	mu   sync.Mutex
	time mq.ClockTime
	at   time.Time // by the clock of this host, which only measures how long ago it was
}

// now returns the time, and whether it is known lately; at is zero if it never was.
func (c *clock) now() (t mq.ClockTime, at time.Time, lately bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := time.Since(c.at)
	return mq.ClockTime{ID: c.time.ID, Time: c.time.Time + age}, c.at, age < clockLife
}

// Clock reads the clock of the server that stores the queue, that of the leader in a
// cluster, whatever those of the clients say: it asks for it every 10 seconds, and
// is right but for half of what the answer took. Another leader has another ID. The
// error matches [mq.ErrUnavailable] if the server has never answered, for which Clock
// waits a second.
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
