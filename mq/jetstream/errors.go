package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// ErrLimit: a limit of the servers or of the account is reached, such as the size of a
// server's disk. The text says which, and what to do.
var ErrLimit = errors.New("a limit of the servers or of the account is reached")

// advice is what to do about limits.
var advice = map[int]string{
	codeAccountResources: "the account has no more storage or memory for queues: raise its limits, remove queues, or ask for less MaxBytes and Replicas",
	codeResources:        "the servers have no more storage or memory for queues: raise max_file_store or max_memory_store in their configuration, remove queues, or ask for less MaxBytes",
	codeMostConsumers:    "there are as many consumers as the account allows, and each selector of leases has one: raise max_consumers of the account, or take several types with mq.Any()",
	codeMostStreams:      "there are as many streams as the account allows, and each queue is one: raise max_streams of the account, or remove queues",
	codeMemoryResources:  "the server has no more memory for queues: raise max_memory_store in its configuration, remove queues, or ask for less MaxBytes",
	codeStorageResources: "the server has no more storage for queues: raise max_file_store in its configuration, free its disk, remove queues, or ask for less MaxBytes",
}

// failed makes the error for what a server answered, or for no answer.
func (q *Queue) failed(op string, err error) error {
	var made *mq.Error
	if errors.As(err, &made) {
		return err
	}
	if isWriteError(err) {
		return q.handle.Fail(op, ErrLimit, err, fmt.Sprintf("%s (%v)", diskAdvice, err))
	}
	switch meaningOf(err) {
	case removed:
		return q.handle.Fail(op, mq.ErrRemoved, err, "")
	case tooLarge:
		return q.handle.Fail(op, mq.ErrTooLarge, err, "")
	case unsent, doubtful:
		return q.handle.Fail(op, mq.ErrUnavailable, err, unavailable(err))
	}
	if what := advice[code(err)]; what != "" {
		return q.handle.Fail(op, ErrLimit, err, what)
	}
	if errors.Is(err, nats.ErrConnectionClosed) {
		detail := "the connection was closed"
		if why := refusal(q.nc.LastError(), ""); why != "" {
			detail += ": " + why
		}
		return q.handle.Fail(op, mq.ErrClosed, err, detail)
	}
	return q.handle.Fail(op, nil, err, "")
}

// unavailable says why a server cannot be reached.
func unavailable(err error) string {
	switch {
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, errNotConnected):
		const lost = "the connection to the server is lost, and is being made again"
		var refused *refusedError
		if errors.As(err, &refused) {
			return lost + ": " + refused.Error()
		}
		return lost
	case errors.Is(err, nats.ErrDisconnected):
		return "the connection to the server was lost, and the answer with it"
	case errors.Is(err, nats.ErrNoResponders):
		return "no server with JetStream answers; one whose disk is full may have switched it off"
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Sprintf("no answer within %v", answerWait)
	}
	if isWriteError(err) {
		return fmt.Sprintf("%s (%v)", diskAdvice, err)
	}
	return "the queue is unavailable: " + err.Error()
}

// lost makes the error for an operation whose answer was lost; why says more,
// or is nil.
func (q *Queue) lost(op string, why error) error {
	detail := "the answer was lost: in doubt whether it happened"
	var made *mq.Error
	if errors.Is(why, ErrLimit) && errors.As(why, &made) {
		detail += ": " + made.Detail
	}
	return q.handle.Fail(op, mq.ErrInDoubt, why, detail)
}

// ended makes the error for a call that ctx has ended. last is the last error of
// the server, or nil.
func (q *Queue) ended(op string, ctx context.Context, last error) error {
	e := handle.Ended(op, q.handle.Name, ctx)
	if last != nil && isUnavailable(last) && !isOfContext(last) {
		e.Err = errors.Join(e.Err, mq.ErrUnavailable, last)
		e.Detail = fmt.Sprintf("%v while the queue was unavailable: %v", context.Cause(ctx), unavailable(last))
		if isWriteError(last) {
			e.Err = errors.Join(e.Err, ErrLimit)
		}
	}
	switch meaningOf(last) {
	case full:
		return handle.Waited(e, fmt.Sprintf("there was no room: %v", last))
	case absent:
		return handle.Waited(e, "no message came")
	}
	return e
}

// connectError says why there is no connection to one of the servers.
func connectError(servers, name string, err error) error {
	e := &mq.Error{Op: "open", Queue: name, Kind: mq.ErrUnavailable, Err: err, Detail: fmt.Sprintf("no server at %s: %v", servers, err)}
	var parsing *url.Error // its text contains the whole address
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
	if why := refusal(err, " at "+servers); why != "" {
		e.Kind, e.Detail = fs.ErrPermission, why+" (see Config.NATS)"
	}
	return e
}

// refusal says why a server refuses a connection, if err says that it does.
func refusal(err error, at string) string {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		errors.Is(err, nats.ErrAccountAuthExpired), errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Sprintf("the server%s does not admit this user: %v", at, err)
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &certificate), errors.Is(err, nats.ErrSecureConnRequired),
		errors.Is(err, nats.ErrSecureConnWanted), err != nil && strings.Contains(err.Error(), "tls: "): // alerts of the server have another type
		return fmt.Sprintf("the server%s and this program do not agree about TLS: %v", at, err)
	}
	return ""
}

// notConnected returns why nothing was sent while there is no connection.
func (q *Queue) notConnected() error {
	if last := q.nc.LastError(); refusal(last, "") != "" {
		return &refusedError{last}
	}
	return errNotConnected
}

// A refusedError is an errNotConnected because the server refuses the connection.
type refusedError struct{ last error }

func (e *refusedError) Error() string   { return refusal(e.last, "") }
func (e *refusedError) Unwrap() []error { return []error{errNotConnected, fs.ErrPermission, e.last} }
