package jetstream

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
)

const (
	// maxTogether is how many messages are stored together at most: the limit of
	// the servers. maxTogetherBytes keeps that well within one answerWait.
	maxTogether      = 1000
	maxTogetherBytes = 1 << 20
)

// leastTogether returns how many messages at least are worth storing together: fewer
// are stored faster one by one. A single server creates files for those on disk.
func leastTogether(s *js.StreamConfig) int {
	switch {
	case s.Replicas > 1:
		return 2
	case storageOf(s) == Memory:
		return 4
	}
	return 64
}

// The headers of a message that is stored together with others.
const (
	headerBatch    = "Nats-Batch-Id"
	headerSequence = "Nats-Batch-Sequence"
	headerCommit   = "Nats-Batch-Commit"
)

// batchOverhead is how many bytes they take at most.
const batchOverhead = len(headerBatch+": \r\n"+headerSequence+": 1000\r\n"+headerCommit+": 1\r\n") + idRandom + idNumber

// hasBatches reports whether servers of a version can store messages together: 2.12
// and later can.
func hasBatches(version string) bool { return isAtLeast(version, 12) }

// leastVersion is the minor of the oldest supported server version, 2.10: older
// servers do not keep the metadata of streams.
const leastVersion = 10

// isAtLeast reports whether a version is 2.least or later.
func isAtLeast(version string, least int) bool {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err == nil && err2 == nil && (a > 2 || a == 2 && b >= least)
}

// SendBatch sends messages in their order, waiting while there is no room or the
// queue is unavailable, and returns how many were sent: the first n. See
// [mq.BatchSender].
//
// Up to 1,000 messages, of up to 1 MiB altogether, are stored in one step, all or
// none: they take two round trips, where Send takes one for each. If there is no
// room for them all, fewer are stored at a time, down to one. Each takes up to 88
// bytes more of MaxBytes than [Queue.Overhead] says.
//
// It needs servers of version 2.12 or later, and a queue that was created with
// one of those; on others SendBatch sends one message after the other.
//
// Each group is like a message of Send: if its answer is lost it is repeated, and
// stored once. If the error matches [mq.ErrInDoubt], up to 1,000 messages
// after the first n may have been sent.
func (q *Queue) SendBatch(ctx context.Context, messages []mq.Message) (n int, err error) {
	c, err := q.begin("send", ctx, true, q.handle.Access.CanSend())
	if err != nil {
		return 0, err
	}
	defer c.end()
	header, err := c.header()
	if err != nil {
		return 0, err
	}
	size, together := maxTogether, q.together
	for n < len(messages) {
		next := messages[n:min(n+size, len(messages))]
		group := q.worthIt(next)
		if !together {
			group = 1
		}
		if group == 1 {
			err = c.sendOne(next[0], header)
		} else {
			err = c.sendTogether(next[:group], header)
		}
		switch {
		case err == nil:
			n += group
			size = min(size+group, maxTogether)
		case group > 1 && errors.Is(err, mq.ErrFull):
			size = group / 2
		case code(err) == codeBatchDisabled:
			together = false
		default:
			return n, err
		}
	}
	return n, nil
}

// worthIt returns how many of the first messages are best stored together.
func (q *Queue) worthIt(messages []mq.Message) int {
	n, bytes, most := 0, 0, q.maxPayload()-batchOverhead
	for n < len(messages) && bytes < maxTogetherBytes && messages[n].Type >= 1 && len(messages[n].Data) <= most {
		bytes += len(messages[n].Data)
		n++
	}
	if n < q.leastTogether {
		return 1
	}
	return n
}

// sendOne sends a single message.
func (c *call) sendOne(m mq.Message, header mq.Header) error {
	if err := c.q.sendable(m); err != nil {
		return err
	}
	p := publication{call: c, message: c.q.messageFor(m, header, nil)}
	return p.send()
}

// sendTogether sends all the messages or, if the error does not match
// mq.ErrInDoubt, none of them.
func (c *call) sendTogether(messages []mq.Message, header mq.Header) error {
	q := c.q
	all := make([]*nats.Msg, len(messages))
	for i, m := range messages {
		all[i] = q.messageFor(m, header, nil)
		all[i].Header[headerSequence] = []string{strconv.Itoa(i + 1)}
	}
	last := len(all) - 1
	all[last].Header[headerCommit] = []string{"1"}
	ask := func(m *nats.Msg) error {
		answer, err := q.ask(c.ctx, graceWait, m)
		if err != nil || len(answer.Data) == 0 { // the server has it, but has stored nothing yet
			return err
		}
		return decode(answer.Data, nil)
	}
	if err := c.checkKnownDisk(); err != nil {
		return err
	}
	t := tries{moves: true}
	t.try = func() error {
		id := []string{q.messageID()}
		for _, m := range all {
			m.Header[headerBatch] = id
		}
		err := ask(all[0])
		for i := 1; i < last && err == nil; i++ {
			err = q.nc.PublishMsg(all[i])
		}
		if isDoubtful(err) {
			return &uncommittedError{err}
		}
		if err != nil {
			return err
		}
		err = ask(all[last])
		if code(err) == codeBatchDuplicate && !t.doubt.IsZero() {
			return nil // an earlier try has stored them
		}
		if meaningOf(err) == full && !t.doubt.IsZero() {
			t.hear = q.hearOfRoom // fewer would have other ids
		}
		return err
	}
	t.over = func(err error) error { return c.tooLate(t.doubt, err) }
	return c.retry(&t)
}
