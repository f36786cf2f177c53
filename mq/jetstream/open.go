package jetstream

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
)

// The metadata of a stream that is a queue.
const (
	metaMode    = "ipcmq-mode"     // "lease" or "claim"
	metaID      = "ipcmq-id"       // chosen at random when the queue is created
	metaAckWait = "ipcmq-ack-wait" // length of a lease, as Go writes durations
)

var metaModes = map[Mode]string{LeaseMode: "lease", ClaimMode: "claim"}

const (
	// openWait is how long calls without a context, or with one without a
	// deadline, wait for an unavailable queue: longer than a cluster takes to
	// elect a leader.
	openWait = 15 * time.Second
)

// open opens or creates the queue over l.
func open(ctx context.Context, l *link, name string, c Config) (*Queue, error) {
	timely := ctx
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		timely, cancel = context.WithTimeout(ctx, openWait)
		defer cancel()
	}
	q := asking(l, name, c)
	if err := q.checkServer(); err != nil {
		return nil, err
	}
	for range 100 { // while others create and remove the queue between the two requests
		var info *js.StreamInfo
		created := false
		err := insist(timely, func() (err error) {
			info, err = q.stream(timely, 0)
			return err
		})
		switch {
		case err == nil && c.Exclusive:
			return nil, q.handle.Fail("open", fs.ErrExist, nil, "the queue exists and Exclusive is set")
		case code(err) == codeStreamNotFound && c.OpenOnly:
			return nil, q.handle.Fail("open", fs.ErrNotExist, err, "there is no such queue and OpenOnly is set")
		case code(err) == codeStreamNotFound:
			info, err = q.create(timely, c)
			created = err == nil
			if code(err) == codeStreamNameInUse && !c.Exclusive {
				continue
			}
			if code(err) == codeStreamNameInUse {
				return nil, q.handle.Fail("open", fs.ErrExist, err, "the queue exists and Exclusive is set")
			}
		}
		if err == nil && !created {
			err = q.compare(&info.Config, c)
		}
		if err != nil {
			switch {
			case ctx.Err() == nil:
				return nil, q.failed("open", err)
			case errors.Is(err, mq.ErrInDoubt):
				return nil, q.lost("open", q.ended("open", ctx, nil))
			}
			return nil, q.ended("open", ctx, err)
		}
		q := newQueue(l, name, info, c)
		q.created = created
		return q, nil
	}
	return nil, q.handle.Fail("open", mq.ErrUnavailable, nil, "others create and remove the queue all the time")
}

// create creates the queue.
func (q *Queue) create(ctx context.Context, c Config) (*js.StreamInfo, error) {
	if c.Mode == 0 {
		c.Mode = LeaseMode
	}
	if c.Storage == 0 {
		c.Storage = File
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.AckWait == 0 && c.Mode == LeaseMode {
		c.AckWait = DefaultAckWait
	}
	if least := int64(overhead(q.subjects, c.Storage)); c.MaxBytes < least {
		return nil, q.handle.Fail("open", mq.ErrInvalidConfig, nil,
			fmt.Sprintf("MaxBytes = %d has no room for a message, whose overhead alone is %d bytes", c.MaxBytes, least))
	}
	id := rand.Text()
	cfg := js.StreamConfig{
		Name:              q.subjects.stream,
		Description:       "ipcmq queue " + q.handle.Name,
		Subjects:          []string{q.subjects.types()},
		Retention:         js.WorkQueuePolicy,
		MaxConsumers:      mostConsumers,
		MaxMsgs:           -1,
		MaxBytes:          c.MaxBytes,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		Discard:           js.DiscardNew, // a full queue refuses
		Storage:           js.FileStorage,
		Replicas:          c.Replicas,
		Duplicates:        cmp.Or(c.IDWindow, DefaultIDWindow),
		Metadata:          map[string]string{metaMode: metaModes[c.Mode], metaID: id},
		// Older servers may refuse what they do not know.
		AllowAtomicPublish: hasBatches(q.nc.ConnectedServerVersion()),
		AllowMsgTTL:        hasTTL(q.nc.ConnectedServerVersion()),
	}
	if c.MaxMessages > 0 {
		cfg.MaxMsgs = c.MaxMessages
	}
	if c.Storage == Memory {
		cfg.Storage = js.MemoryStorage
	}
	if c.Mode == LeaseMode {
		cfg.Metadata[metaAckWait] = c.AckWait.String()
	} else {
		cfg.Retention = js.LimitsPolicy
		cfg.RePublish = &js.RePublish{Source: q.subjects.types(), Destination: q.subjects.prefix + wakeToken + "{{wildcard(1)}}", HeadersOnly: true}
	}
	if c.Replicas == 0 {
		cfg.Replicas = q.usualReplicas()
	}
	doubt := false
	var info js.StreamInfo
	err := insist(ctx, func() error {
		err := q.api(ctx, graceWait, "STREAM.CREATE."+q.subjects.stream, cfg, &info)
		if c.Replicas == 0 && cfg.Replicas > 1 && (code(err) == codeNoPeers || code(err) == codeNoReplicas) {
			cfg.Replicas = 1 // not all servers of the cluster have JetStream
			err = q.api(ctx, graceWait, "STREAM.CREATE."+q.subjects.stream, cfg, &info)
		}
		if code(err) == codeMostConsumers {
			cfg.MaxConsumers = -1 // as many as the account allows
			err = q.api(ctx, graceWait, "STREAM.CREATE."+q.subjects.stream, cfg, &info)
		}
		if code(err) == codeStreamNameInUse && doubt { // perhaps by an earlier try
			found, again := q.stream(ctx, 0)
			if again != nil {
				return again
			}
			if found.Config.Metadata[metaID] == id {
				info, err = *found, nil
			}
		}
		doubt = doubt || isDoubtful(err)
		return err
	})
	switch {
	case doubt && isUnavailable(err):
		return nil, q.lost("open", err)
	case c.Replicas > 1 && (code(err) == codeNoPeers || code(err) == codeNoReplicas):
		return nil, q.handle.Fail("open", mq.ErrInvalidConfig, err, fmt.Sprintf("Replicas = %d: there are not so many servers with JetStream", c.Replicas))
	}
	return &info, err
}

// mostConsumers is how many selectors can have leases; by default the servers would
// allow 1,000.
const mostConsumers = 1 << 20

// usualReplicas returns how many servers keep a message by default.
func (q *Queue) usualReplicas() int {
	if q.nc.ConnectedClusterName() == "" || len(q.nc.Servers()) < 3 {
		return 1
	}
	return 3
}

// checkServer returns an error if the server is too old.
func (q *Queue) checkServer() error {
	version := q.nc.ConnectedServerVersion()
	if version == "" || isAtLeast(version, leastVersion) {
		return nil
	}
	return q.unsupported("open", nil, fmt.Sprintf("the server has version %s; 2.%d or later is needed", version, leastVersion))
}

// compare returns an error if the existing stream is not a queue, or differs from c in
// what cannot be changed.
func (q *Queue) compare(s *js.StreamConfig, c Config) error {
	differs := func(what string, asked, is any) error {
		return q.handle.Fail("open", mq.ErrInvalidConfig, nil,
			fmt.Sprintf("%s = %v, but the queue exists with %v; leave %s out, or remove the queue", what, asked, is, what))
	}
	mode := modeOf(s)
	switch {
	case mode == 0:
		return q.handle.Fail("open", mq.ErrInvalidConfig, nil, fmt.Sprintf("the stream %s exists, and is not a queue that this package has made", s.Name))
	case c.Mode != 0 && c.Mode != mode:
		return differs("Mode", c.Mode, mode)
	case c.Storage != 0 && c.Storage != storageOf(s):
		return differs("Storage", c.Storage, storageOf(s))
	case c.AckWait != 0 && mode != LeaseMode:
		return differs("AckWait", c.AckWait, "no leases, in claim mode")
	}
	return nil
}

// modeOf returns the mode of a queue, or 0 if s is not one.
func modeOf(s *js.StreamConfig) Mode {
	if len(s.Subjects) != 1 || s.Discard != js.DiscardNew || s.Metadata[metaID] == "" {
		return 0
	}
	switch {
	case s.Metadata[metaMode] == metaModes[LeaseMode] && s.Retention == js.WorkQueuePolicy && ackWaitOf(s) > 0:
		return LeaseMode
	case s.Metadata[metaMode] == metaModes[ClaimMode] && s.Retention == js.LimitsPolicy:
		return ClaimMode
	}
	return 0
}

func storageOf(s *js.StreamConfig) Storage {
	if s.Storage == js.MemoryStorage {
		return Memory
	}
	return File
}

func ackWaitOf(s *js.StreamConfig) time.Duration {
	d, err := time.ParseDuration(s.Metadata[metaAckWait])
	if err != nil {
		return 0
	}
	return d
}

// Bytes of a message other than its subject and payload.
const (
	idRandom     = 12 // of the id of a message: chosen at random for the handle
	idNumber     = 10 // and a counter, in hexadecimal
	headerSize   = len("NATS/1.0\r\n"+nats.MsgIdHdr+": \r\n\r\n") + idRandom + idNumber
	fileRecord   = 34 // of a message with a header, in the file store
	memoryRecord = 16
)

// overhead returns how many bytes a message of the type with the most digits takes
// without its payload. All types count as that one, so that they have the same limit.
func overhead(s subjects, storage Storage) int {
	n := s.longest() + headerSize
	if storage == Memory {
		return n + memoryRecord
	}
	return n + fileRecord
}

// Overhead returns how many bytes at most a message takes in the queue in addition to
// its payload, as the servers count them for MaxBytes.
func (q *Queue) Overhead() int { return overhead(q.subjects, q.storage) }

// messageID makes the id of a message, by which the servers recognize it. It always
// has the same size.
func (q *Queue) messageID() string {
	n := strconv.FormatUint(q.lastSent.Add(1)&(1<<(4*idNumber)-1), 16)
	return q.sender + "0000000000"[len(n):] + n
}
