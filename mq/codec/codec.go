package codec

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"ipcmq/mq"
)

// A Codec turns values of type T into payloads, and payloads into values. Both
// functions may be called by several goroutines at once. Either may be nil if it
// is not used.
type Codec[T any] struct {
	// Encode returns the payload of a value.
	Encode func(v T) ([]byte, error)

	// Decode returns the value of a payload. It must not keep data, whose memory
	// may be reused.
	Decode func(data []byte) (T, error)
}

// JSON returns a codec of JSON as encoding/json understands it.
func JSON[T any]() Codec[T] {
	return Codec[T]{
		Encode: func(v T) ([]byte, error) { return json.Marshal(v) },
		Decode: func(data []byte) (v T, err error) {
			err = json.Unmarshal(data, &v)
			return v, err
		},
	}
}

// Text returns a codec whose payload is the string itself, byte for byte.
func Text[T ~string]() Codec[T] {
	return Codec[T]{
		Encode: func(v T) ([]byte, error) { return []byte(v), nil },
		Decode: func(data []byte) (T, error) { return T(data), nil },
	}
}

// An Error says that a message could not be decoded, and holds the message as
// it came.
type Error struct {
	Message mq.Message
	Err     error // of Decode; an *mq.PanicError if that panicked
}

// Error returns the type of the message, its length, and the text of Err.
func (e *Error) Error() string {
	return fmt.Sprintf("mq: decode message of type %d, %d bytes: %v", e.Message.Type, len(e.Message.Data), e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Value returns the value of m. An error is an [*Error]; the value is then the
// zero value.
func (c Codec[T]) Value(m mq.Message) (T, error) {
	v, err := guard("Decode", c.Decode, m.Data)
	if err != nil {
		var none T
		return none, &Error{Message: m, Err: err}
	}
	return v, nil
}

// Payload returns the payload of v.
func (c Codec[T]) Payload(v T) ([]byte, error) {
	data, err := guard("Encode", c.Encode, v)
	if err != nil {
		return nil, fmt.Errorf("mq: encode %T: %w", v, err)
	}
	return data, nil
}

// guard calls one of the functions, which users write and which may get any
// bytes, and turns a panic into an error.
func guard[In, Out any](name string, f func(In) (Out, error), in In) (out Out, err error) {
	if f == nil {
		return out, fmt.Errorf("the codec has no %s", name)
	}
	defer func() {
		if p := recover(); p != nil {
			err = &mq.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return f(in)
}
