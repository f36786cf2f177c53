package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// Error codes of the JetStream API, beside those that package nats.go names.
const (
	codeNotLeader         = 10009
	codeConsumerCreate    = 10012 // of many reasons
	codeUnavailable       = 10008
	codeSequenceNotFound  = 10043
	codeStreamNameInUse   = 10058
	codeStoreFailed       = 10077 // of many reasons, a full queue among them
	codeTooLarge          = 10054
	codeNoMessage         = 10037
	codeStreamCreate      = 10049 // of many reasons
	codeDeleteFailed      = 10057
	codeStreamInvalid     = 10096 // while it is being removed
	codeStreamNotFound    = 10059
	codeNotUniqueUnfilter = 10099
	codeNotUnique         = 10100
	codeStreamOffline     = 10118
	codeConsumerOffline   = 10119
	codeConsumerExists    = 10148
	codeDuplicateInFlight = 10158
)

// code returns the error code that a server answered, or 0.
func code(err error) int {
	var api *js.APIError
	if errors.As(err, &api) {
		return int(api.ErrorCode)
	}
	return 0
}

// isFull reports whether err refuses a message because the queue is full. The
// code alone does not tell: it is that of every failure to store.
func isFull(err error) bool {
	var api *js.APIError
	return errors.As(err, &api) && api.ErrorCode == codeStoreFailed &&
		(api.Description == "maximum bytes exceeded" || api.Description == "maximum messages exceeded")
}

// isDeleted reports whether err refuses to delete a message because it is gone.
func isDeleted(err error) bool {
	var api *js.APIError
	return errors.As(err, &api) && (api.ErrorCode == codeSequenceNotFound ||
		api.ErrorCode == codeDeleteFailed && (api.Description == "no message found" || api.Description == "stream store EOF"))
}

// isUnsent reports whether err means that the server got nothing.
func isUnsent(err error) bool {
	return errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, errNotConnected)
}

// errPullEnded: a server has given up a request for messages before its time.
var errPullEnded = errors.New("the server has ended the request for messages")

// errNotConnected is why nothing was sent while there is no connection.
var errNotConnected = errors.New("there is no connection to a server")

// isUnavailable reports whether err may go away by itself: the server did not
// answer, or answered that it cannot now.
func isUnavailable(err error) bool {
	var api *js.APIError
	switch {
	case !errors.As(err, &api):
	case api.ErrorCode == codeConsumerCreate && api.Description == "consumer closed": // it is being removed
		return true
	case api.ErrorCode == codeStreamCreate && api.Description == "error creating store for stream": // as another one is removed
		return true
	}
	if c := code(err); c != 0 {
		return slices.Contains([]int{codeNotLeader, codeUnavailable, codeStreamOffline, codeStreamInvalid, codeConsumerOffline, codeDuplicateInFlight}, c)
	}
	var e *mq.Error
	return err != nil && !errors.As(err, &e) && !errors.Is(err, nats.ErrMaxPayload) && !errors.Is(err, nats.ErrConnectionClosed)
}

// isOfContext reports whether err says no more than that a context has ended.
func isOfContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// isDoubtful reports whether after err it is not known whether a request was
// carried out: the answer was lost, or it was a refusal of one server that has no
// leader now, which says nothing of the others, who got the request too.
func isDoubtful(err error) bool {
	return isUnavailable(err) && !isUnsent(err) && code(err) != codeStreamCreate
}

// failed makes an error of what a server answered, or did not.
func (q *Queue) failed(op string, err error) error {
	var e *mq.Error
	switch {
	case errors.As(err, &e):
		return err
	case code(err) == codeStreamNotFound:
		return q.handle.Fail(op, mq.ErrRemoved, err, "")
	case errors.Is(err, nats.ErrConnectionClosed):
		return q.handle.Fail(op, mq.ErrClosed, err, "the connection was closed")
	case isUnavailable(err):
		return q.handle.Fail(op, mq.ErrUnavailable, err, unavailable(err))
	}
	return q.handle.Fail(op, nil, err, "")
}

// unavailable says why a server cannot be reached.
func unavailable(err error) string {
	switch {
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, errNotConnected):
		return "the connection to the server is lost, and is being made again"
	case errors.Is(err, nats.ErrNoResponders):
		return "no server with JetStream answers"
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Sprintf("no answer within %v", answerWait)
	}
	return "the queue is unavailable: " + err.Error()
}

// lost makes the error for an operation whose answer was lost; why says more,
// or is nil.
func (q *Queue) lost(op string, why error) error {
	e := q.handle.Fail(op, mq.ErrInDoubt, why, "the answer was lost: in doubt whether it happened")
	return e
}

// ended makes the error for a call that ctx has ended, while the server was as
// last says; nil means that it was well.
func (q *Queue) ended(op string, ctx context.Context, last error) error {
	e := handle.Ended(op, q.handle.Name, ctx)
	if last != nil && isUnavailable(last) && !isOfContext(last) {
		e.Err = errors.Join(e.Err, mq.ErrUnavailable, last)
		e.Detail = fmt.Sprintf("%v while the queue was unavailable: %v", context.Cause(ctx), unavailable(last))
	}
	return e
}

// connectError says why there is no connection to one of the servers.
func connectError(servers, name string, err error) error {
	e := &mq.Error{Op: "open", Queue: name, Kind: mq.ErrUnavailable, Err: err, Detail: fmt.Sprintf("no server at %s: %v", servers, err)}
	var parsing *url.Error // whose text has all of the address
	if errors.As(err, &parsing) {
		e.Kind, e.Err = mq.ErrInvalidConfig, nil
		e.Detail = fmt.Sprintf("the servers are %s; they are URLs such as nats://a.example:4222, with commas between them", servers)
		return e
	}
	for _, wrong := range []error{nats.ErrMixingWebsocketSchemes, nats.ErrNkeyAndUser, nats.ErrNkeyButNoSigCB, nats.ErrBadTimeout} {
		if errors.Is(err, wrong) {
			e.Kind = mq.ErrInvalidConfig
			e.Detail = fmt.Sprintf("servers %s and the options in NATS: %v", servers, err)
			return e
		}
	}
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &certificate) || errors.Is(err, nats.ErrSecureConnRequired) || errors.Is(err, nats.ErrSecureConnWanted) ||
		strings.Contains(err.Error(), "tls: ") { // an alert of the server has a type of its own
		e.Kind = fs.ErrPermission
		e.Detail = fmt.Sprintf("the server at %s and this program do not agree about TLS: %v (see Config.NATS)", servers, err)
	}
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrPermissionViolation) {
		e.Kind = fs.ErrPermission
		e.Detail = fmt.Sprintf("the server at %s does not admit this user: %v (see Config.NATS)", servers, err)
	}
	return e
}
