package mq

import (
	"context"
	"fmt"
	"maps"
	"strings"
)

// A Header is pairs that go with a message along with its payload, such as the context
// of a trace, in queues whose messages have such: see Capabilities.Headers. In a
// queue of the kernel a message has none.
//
// A key is 1 to 64 letters, digits, dots, hyphens and underscores, and does not begin
// with Nats-; a value is up to 1024 characters of ASCII that can be seen, and blanks
// between them.
type Header map[string]string

const (
	maxHeaderKey   = 64
	maxHeaderValue = 1024
)

type headerKey struct{}

// WithHeader returns a context whose sends put h into the headers of messages.
// Queues whose messages have none send without it. Where h is too much for the
// message, that is sent without it too. h is copied.
func WithHeader(ctx context.Context, h Header) context.Context {
	return context.WithValue(ctx, headerKey{}, maps.Clone(h))
}

// OutgoingHeader returns a copy of what [WithHeader] has put into ctx; nil is none.
func OutgoingHeader(ctx context.Context) Header {
	h, _ := ctx.Value(headerKey{}).(Header)
	return maps.Clone(h)
}

// HeaderOf returns what came with a message that is lent; nil is none.
func HeaderOf(l Lease) Header {
	if h, ok := l.(interface{ Header() Header }); ok {
		return h.Header()
	}
	return nil
}

// Validate returns an error that matches [ErrInvalidConfig] if h has a pair that
// cannot be sent.
func (h Header) Validate() error {
	for key, value := range h {
		switch {
		case len(key) == 0 || len(key) > maxHeaderKey || strings.ContainsFunc(key, notInKeys):
			return &Error{Op: "header", Kind: ErrInvalidConfig, Detail: fmt.Sprintf(
				"the key %.70q is not 1 to %d letters, digits, dots, hyphens and underscores", key, maxHeaderKey)}
		case len(key) >= 5 && strings.EqualFold(key[:5], "nats-"):
			return &Error{Op: "header", Kind: ErrInvalidConfig, Detail: fmt.Sprintf("the key %q begins with Nats-, as only those of the servers do", key)}
		case len(value) > maxHeaderValue || strings.ContainsFunc(value, notInValues) || strings.TrimSpace(value) != value:
			return &Error{Op: "header", Kind: ErrInvalidConfig, Detail: fmt.Sprintf(
				"the value of %s, %.40q, is not up to %d characters of ASCII that can be seen, and blanks between them", key, value, maxHeaderValue)}
		}
	}
	return nil
}

func notInKeys(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
}

func notInValues(r rune) bool { return r < ' ' || r > '~' }
