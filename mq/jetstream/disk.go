package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// diskAdvice is what to do about a server that cannot write.
const diskAdvice = "the server cannot write to its disk, which may be full: free space, and restart the server, which may store nothing until then"

// writeErrors are texts of servers that cannot write: their own, and those of their
// system.
var writeErrors = []string{
	"error creating store for ", "no space left on device", "quota exceeded", "read-only file system", "input/output error",
}

// isWriteError reports whether a server says that it cannot write to its disk.
func isWriteError(err error) bool {
	var api *js.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, text := range writeErrors {
		if strings.Contains(api.Description, text) {
			return true
		}
	}
	return false
}

// probeWait is how long a server may take to say whether it can write: one that is
// there knows it at once.
const probeWait = 250 * time.Millisecond

// neverStored is the sequence of no message.
const neverStored int64 = math.MaxInt64

// checkDisk asks whether the server cannot write to the disk, and returns an error if it
// says so. Servers of version 2.15 do not answer to a message that they cannot write, and
// write no other one until they are restarted; but they say why if they are to delete one,
// even if there is no such message. Of several replicas, those that cannot write leave the
// queue to the others.
func (c *call) checkDisk() error {
	q := c.q
	if !q.oneDisk {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), probeWait)
	defer cancel()
	request := fmt.Appendf(nil, `{"seq": %d, "no_erase": true}`, neverStored)
	// Its answer does not mean that the server serves, so the link takes no notice.
	answer, err := q.nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: q.apiPrefix + "STREAM.MSG.DELETE." + q.subjects.stream, Data: request})
	if err == nil {
		err = decode(answer.Data, nil)
	}
	q.diskFails.Store(isWriteError(err))
	if isWriteError(err) {
		return q.failed(c.op, err)
	}
	return nil
}

// diskError returns an error if the server cannot write to the disk, which may be why
// a message was not stored.
func (c *call) diskError(err error) error {
	if errors.Is(err, nats.ErrTimeout) || code(err) == codeBatchIncomplete {
		return c.checkDisk()
	}
	return nil
}

// checkKnownDisk is checkDisk if the server could not write the last time: what is not
// sent then is not in doubt.
func (c *call) checkKnownDisk() error {
	if c.q.diskFails.Load() {
		return c.checkDisk()
	}
	return nil
}

// diskGivenUp returns an error if err says that a server cannot write, and no other one
// has taken over since start.
func (c *call) diskGivenUp(err error, start time.Time) error {
	if isWriteError(err) && (c.q.isOneServer() || time.Since(start) > openWait) {
		return c.q.failed(c.op, err)
	}
	return nil
}
