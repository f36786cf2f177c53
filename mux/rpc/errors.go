package rpc

import (
	"errors"
	"fmt"
)

// Why a message was not handled or its reply was lost.
var (
	// ErrNotRequest: the message does not have the header of a request of
	// this version.
	ErrNotRequest = errors.New("not a request")

	// ErrExpired: the deadline of the request had passed before it was handled,
	// or before there was a reply.
	ErrExpired = errors.New("request has expired")

	// ErrReplyLost: the inbox of the client is gone, stays full, or is not an
	// inbox. A request fails with it if the inbox was removed while the request
	// was in progress, and an iteration over many replies if one of them is
	// missing.
	ErrReplyLost = errors.New("reply was lost")

	// ErrLeft: the caller has left its loop over many replies, or has ended. It is
	// the cause of the end of the handler's context.
	ErrLeft = errors.New("the caller takes no more replies")

	// ErrNoServer: the request was not sent, because earlier ones wait in the
	// queue and nobody answers them.
	ErrNoServer = errors.New("nobody answers requests of this type")

	// ErrOverrun: the handler had not returned one second after the deadline of
	// its request.
	ErrOverrun = errors.New("handler has not returned")

	// ErrNoAnswer: the handler ended its goroutine, with runtime.Goexit or
	// testing.T.FailNow.
	ErrNoAnswer = errors.New("handler ended without an answer")
)

// A Code is the kind of failure of a [RemoteError].
type Code uint16

// Codes of errors. A server may use others, from 1024 up, for its own.
const (
	CodeFailed      Code = 1 // the handler returned an error
	CodePanicked    Code = 2 // the handler panicked
	CodeTooLarge    Code = 3 // the reply does not fit into the inbox
	CodeNoAnswer    Code = 4 // the handler ended its goroutine, with runtime.Goexit
	CodeExpired     Code = 5 // the deadline had passed before the request was handled
	CodeBadRequest  Code = 6 // the request could not be decoded, see Method
	CodeVersion     Code = 7 // the server does not know the version of the request's header
	CodeManyReplies Code = 8 // the handler answers Client.Replies only
)

// String returns the code in words.
func (c Code) String() string {
	switch c {
	case CodeFailed:
		return "failed"
	case CodePanicked:
		return "panicked"
	case CodeTooLarge:
		return "reply too large"
	case CodeNoAnswer:
		return "no answer"
	case CodeBadRequest:
		return "bad request"
	case CodeExpired:
		return "expired"
	case CodeManyReplies:
		return "many replies"
	case CodeVersion:
		return "unknown version"
	}
	return fmt.Sprintf("code %d", uint16(c))
}

// A RemoteError is a failure that the server returned: the request was
// received. A handler that returns one chooses its Code and Text.
type RemoteError struct {
	Code Code
	Text string
}

// Error returns the text, which is the server's.
func (e *RemoteError) Error() string { return "remote: " + e.Code.String() + ": " + e.Text }
