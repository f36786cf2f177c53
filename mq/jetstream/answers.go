package jetstream

import (
	"context"
	"errors"
	"slices"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
)

// Error codes of the JetStream API.
const (
	codeAccountResources  = 10002
	codeNoPeers           = 10005
	codeUnavailable       = 10008
	codeNotLeader         = 10009
	codeConsumerCreate    = 10012 // of many reasons
	codeConsumerNotFound  = 10014
	codeNoMessage         = 10037
	codeResources         = 10023
	codeMostConsumers     = 10026
	codeMostStreams       = 10027
	codeMemoryResources   = 10028
	codeSequenceNotFound  = 10043
	codeStorageResources  = 10047
	codeStreamCreate      = 10049 // of many reasons
	codeTooLarge          = 10054
	codeDeleteFailed      = 10057 // of many reasons
	codeStreamNameInUse   = 10058
	codeStreamNotFound    = 10059
	codeNoReplicas        = 10074
	codeStoreFailed       = 10077 // of many reasons
	codeStreamInvalid     = 10096
	codeNotUniqueUnfilter = 10099
	codeNotUnique         = 10100
	codeStreamOffline     = 10118
	codeConsumerOffline   = 10119
	codeConsumerExists    = 10148
	codeDuplicateInFlight = 10158
	codeBatchDisabled     = 10174
	codeBatchIncomplete   = 10176
	codeBatchTooLarge     = 10199
	codeBatchDuplicate    = 10201
	codeTooManyBatches    = 10210
)

// A meaning is what the answer to a request, or its absence, says about the
// outcome.
type meaning uint8

const (
	done     meaning = iota
	refused          // and would be again
	removed          // the queue is gone
	tooLarge         // the message is too large
	absent           // there is no such message, or none now
	full             // there is no room now
	unsent           // nothing happened; another try may succeed
	doubtful         // it may have happened; another try may succeed
)

// refusals are the errors of servers that mean something other than refused. If a code
// has several reasons, only the text distinguishes them.
var refusals = []struct {
	code  int
	texts []string // one of these, or any
	means meaning
}{
	{codeStreamNotFound, nil, removed},
	{codeTooLarge, nil, tooLarge},
	{codeNoMessage, nil, absent},
	{codeSequenceNotFound, nil, absent},
	{codeDeleteFailed, []string{"no message found", "stream store EOF"}, absent},
	{codeStoreFailed, []string{"maximum bytes exceeded", "maximum messages exceeded"}, full},
	{codeBatchTooLarge, nil, full},     // for a batch of that size
	{codeBatchIncomplete, nil, unsent}, // its beginning is lost, with the leader or the connection
	{codeTooManyBatches, nil, unsent},
	// One server has no leader now, which says nothing about the others, which got
	// the request too.
	{codeNotLeader, nil, doubtful},
	{codeUnavailable, nil, doubtful},
	{codeStreamOffline, nil, doubtful},
	{codeConsumerOffline, nil, doubtful},
	{codeDuplicateInFlight, nil, doubtful},
	// While a queue is being removed.
	{codeStreamInvalid, nil, doubtful},
	{codeConsumerCreate, []string{"consumer closed"}, doubtful},
	{codeConsumerCreate, []string{"error creating store for consumer"}, unsent}, // another server may lead soon
	{codeStreamCreate, []string{"error creating store for stream"}, unsent},
}

var (
	// errPullEnded: a server has given up a request for messages before it expired.
	errPullEnded = errors.New("the server has ended the request for messages")

	// errNotConnected is why nothing was sent while there is no connection.
	errNotConnected = errors.New("there is no connection to a server")

	// errNoMessage: a receiver has found none.
	errNoMessage = errors.New("no message")

	// errInboxFull: an inbox has refused a message.
	errInboxFull = errors.New("the inbox is full")

	// errNow: it is worth trying again now.
	errNow = errors.New("once more")
)

// An uncommittedError is why a batch was not committed. Nothing of it is stored.
type uncommittedError struct{ error }

func (e *uncommittedError) Unwrap() error { return e.error }

// meaningOf returns the meaning of err: that of a refusal, or of a missing answer.
func meaningOf(err error) meaning {
	var api *js.APIError
	var made *mq.Error
	var before *uncommittedError
	switch {
	case err == nil:
		return done
	case errors.As(err, &before):
		return unsent
	case errors.As(err, &made):
		return refused // by this package
	case errors.As(err, &api):
		for _, r := range refusals {
			if int(api.ErrorCode) == r.code && (r.texts == nil || slices.Contains(r.texts, api.Description)) {
				return r.means
			}
		}
		return refused
	case errors.Is(err, nats.ErrMaxPayload):
		return tooLarge
	case errors.Is(err, nats.ErrConnectionClosed):
		return refused
	case err == errNoMessage, err == errNow:
		return absent
	case err == errInboxFull:
		return full
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrNoResponders), errors.Is(err, errNotConnected):
		return unsent
	}
	return doubtful
}

// isUnavailable reports whether err may go away by itself: the server did not
// answer, or said that it cannot now.
func isUnavailable(err error) bool {
	m := meaningOf(err)
	return m == unsent || m == doubtful
}

// isDoubtful reports whether err leaves open whether a request was carried out.
func isDoubtful(err error) bool { return meaningOf(err) == doubtful }

// isOfContext reports whether err says only that a context has ended.
func isOfContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// code returns the error code that a server answered, or 0.
func code(err error) int {
	var api *js.APIError
	if errors.As(err, &api) {
		return int(api.ErrorCode)
	}
	return 0
}
