package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"

	"ipcmq/mq"
)

// Metadata is sent with a request or a reply in addition to its payload, such as a
// trace context or a content type. Keys and values are any bytes; a key is 1 to 255
// bytes long, and does not begin with a zero.
type Metadata map[string]string

// MaxMetadata is the limit for the metadata of a request or reply in bytes: those
// of keys and values, and 3 for each pair.
const MaxMetadata = 960

// maxSection is the limit for metadata and fields together in bytes.
const maxSection = 1024

// size returns how many bytes the metadata takes, or an error if that is too much.
func (md Metadata) size(op string) (n int, err error) {
	for key, value := range md {
		if len(key) == 0 || len(key) > 255 {
			return 0, &mq.Error{Op: op, Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf("metadata: the key %.20q has %d bytes, not 1 to 255", key, len(key))}
		}
		if key[0] == fieldMark {
			return 0, &mq.Error{Op: op, Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf("metadata: the key %.20q begins with a zero, which is reserved for this package", key)}
		}
		n += 3 + len(key) + len(value)
	}
	if n > MaxMetadata {
		return 0, &mq.Error{Op: op, Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf("metadata of %d bytes exceeds the limit of %d", n, MaxMetadata)}
	}
	return n, nil
}

// append adds the pairs to b, in the order of their keys.
func (md Metadata) append(b []byte) []byte {
	if len(md) == 0 {
		return b
	}
	for _, key := range slices.Sorted(maps.Keys(md)) {
		b = append(b, byte(len(key)))
		b = append(b, key...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(md[key])))
		b = append(b, md[key]...)
	}
	return b
}

// parseMetadata parses fields and metadata as append writes them.
func (h *header) parseMetadata(b []byte) bool {
	if len(b) > maxSection {
		return false
	}
	var fields []byte // the known ones, each of which may occur once
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || len(b) < 1+n+2 {
			return false
		}
		key, rest := b[1:1+n], b[1+n:]
		n = int(binary.LittleEndian.Uint16(rest))
		if len(rest) < 2+n {
			return false
		}
		value := rest[2 : 2+n]
		b = rest[2+n:]
		if key[0] == fieldMark {
			known, ok := h.parseField(key, value)
			if !ok || known && bytes.Contains(fields, key[1:]) {
				return false
			}
			if known {
				fields = append(fields, key[1])
			}
			continue
		}
		if h.metadata == nil {
			h.metadata = make(Metadata)
		}
		if _, double := h.metadata[string(key)]; double {
			return false
		}
		h.metadata[string(key)] = string(value)
	}
	return true
}

type (
	sentKey     struct{} // of the Metadata of requests
	receivedKey struct{} // of the *Metadata for those of replies
	handledKey  struct{} // of the *handled of a handler
)

// WithMetadata returns a context with which requests carry md. [Client.Request]
// refuses metadata that exceeds [MaxMetadata].
func WithMetadata(ctx context.Context, md Metadata) context.Context {
	return context.WithValue(ctx, sentKey{}, maps.Clone(md))
}

// OutgoingMetadata returns a copy of the metadata that [WithMetadata] put into ctx,
// for example to add to it, or nil if there is none.
func OutgoingMetadata(ctx context.Context) Metadata {
	md, _ := ctx.Value(sentKey{}).(Metadata)
	return maps.Clone(md)
}

// WithReplyMetadata returns a context for one request, which stores the metadata of
// the reply in *md, also if the reply is an error of the server.
func WithReplyMetadata(ctx context.Context, md *Metadata) context.Context {
	return context.WithValue(ctx, receivedKey{}, md)
}

// A handled is the context of a handler, which holds the request's metadata.
type handled struct {
	context.Context
	received Metadata
	parts    *parts // nil if there may be one reply only

	mu    sync.Mutex
	reply Metadata
}

func (h *handled) Value(key any) any {
	if key == (handledKey{}) {
		return h
	}
	return h.Context.Value(key)
}

// RequestMetadata returns the metadata of the request that is handled with ctx, or
// nil if there is none. Requests that the handler makes do not carry it, except by
// [WithMetadata].
func RequestMetadata(ctx context.Context) Metadata {
	if h, ok := ctx.Value(handledKey{}).(*handled); ok {
		return maps.Clone(h.received)
	}
	return nil
}

// SetReplyMetadata makes md the metadata of the reply to the request that is
// handled with ctx, also if that is an error. The error matches
// [mq.ErrInvalidConfig] if md exceeds [MaxMetadata] or ctx is not that of a
// handler.
func SetReplyMetadata(ctx context.Context, md Metadata) error {
	if _, err := md.size("set reply metadata"); err != nil {
		return err
	}
	h, ok := ctx.Value(handledKey{}).(*handled)
	if !ok {
		return &mq.Error{Op: "set reply metadata", Kind: mq.ErrInvalidConfig, Detail: "the context is not that of a handler"}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reply = maps.Clone(md)
	return nil
}

func (h *handled) replyMetadata() Metadata {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reply
}
