package mq

import (
	"context"
	"fmt"
	"maps"
	"strings"
)

// A Header is the key-value pairs that a message carries in addition to its payload,
// such as the context of a trace, in queues that support them: see
// Capabilities.Headers. Messages of kernel queues have none.
//
// A key is 1 to 64 letters, digits, dots, hyphens and underscores, and does not begin
// with Nats-; a value is up to 1024 visible ASCII characters, and blanks between
// them.
type Header map[string]string

const (
	maxHeaderKey   = 64
	maxHeaderValue = 1024
)

type headerKey struct{}

// WithHeader returns a context with which sends put h into the headers of
// messages. Queues without headers send the message without h, and so does a
// queue in whose message h does not fit. h is copied.
func WithHeader(ctx context.Context, h Header) context.Context {
	return context.WithValue(ctx, headerKey{}, maps.Clone(h))
}

// OutgoingHeader returns a copy of the header that [WithHeader] put into ctx, or
// nil if there is none.
func OutgoingHeader(ctx context.Context) Header {
	h, _ := ctx.Value(headerKey{}).(Header)
	return maps.Clone(h)
}

// HeaderOf returns the header of a lent message, or nil if there is none.
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
			return &Error{Op: "header", Kind: ErrInvalidConfig, Detail: fmt.Sprintf("the key %q begins with Nats-, which is reserved for servers", key)}
		case len(value) > maxHeaderValue || strings.ContainsFunc(value, notInValues) || strings.TrimSpace(value) != value:
			return &Error{Op: "header", Kind: ErrInvalidConfig, Detail: fmt.Sprintf(
				"the value of %s, %.40q, is not up to %d visible ASCII characters, and blanks between them", key, value, maxHeaderValue)}
		}
	}
	return nil
}

func notInKeys(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
}

func notInValues(r rune) bool { return r < ' ' || r > '~' }
