// Package php provides a codec for ipcmq/mq/codec with the format of PHP's serialize,
// which PHP's msg_send and msg_receive use by default.
//
// It is a module of its own, so that only its users get its dependency, the only
// library found for the format. That library is not made for untrusted data:
//
//   - It allocates as many elements as an array claims to have, before reading
//     them: 30 bytes end the program, out of memory, without a way to recover.
//   - It reads nested arrays twice at each level: 2^depth times in the end.
//   - It panics if a payload ends early.
//   - It treats \n, \' and \xAB in strings as escapes, which they are not.
//
// So Decode checks a payload first, and refuses it if it is incomplete, deeper than
// MaxDepth, or contains a backslash in a string, an object or a reference. Objects are
// harmless in Go, but not in PHP, whose unserialize creates objects of any class and
// calls their methods: never let PHP unserialize messages of untrusted programs. If
// both ends are yours, send JSON, as examples/typed does.
package php

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/elliotchance/phpserialize"

	"ipcmq/mq/codec"
)

// MaxDepth is how deep arrays may be nested.
const MaxDepth = 4

// Array returns a codec for PHP's arrays. Keys are int64 or string, integers are int64;
// nested arrays are []any if their keys count from 0, otherwise map[any]any.
func Array() codec.Codec[map[any]any] {
	return codec.Codec[map[any]any]{
		Encode: func(v map[any]any) ([]byte, error) { return phpserialize.Marshal(v, nil) },
		Decode: func(data []byte) (map[any]any, error) {
			if err := check(data); err != nil {
				return nil, err
			}
			return phpserialize.UnmarshalAssociativeArray(data)
		},
	}
}

// check returns an error unless data is an array that is safe for the library.
func check(data []byte) error {
	if len(data) == 0 || data[0] != 'a' {
		return errors.New("not an array serialized by PHP")
	}
	rest, err := value(data, MaxDepth)
	if err == nil && len(rest) > 0 {
		err = errors.New("more bytes than the array has")
	}
	if err != nil {
		return fmt.Errorf("byte %d: %w", len(data)-len(rest), err)
	}
	return nil
}

// value returns what follows the first value of data, or the last valid byte.
func value(data []byte, depth int) (rest []byte, err error) {
	if len(data) < 2 {
		return data, errors.New("the end is missing")
	}
	kind, body := data[0], data[2:]
	switch {
	case kind == 'N' && data[1] == ';':
		return body, nil
	case data[1] != ':':
		return data, errors.New("not a value")
	}
	switch kind {
	case 'b', 'i', 'd':
		text, rest, found := bytes.Cut(body, []byte(";"))
		switch kind {
		case 'b':
			found = found && (string(text) == "0" || string(text) == "1")
		case 'i':
			_, err = strconv.ParseInt(string(text), 10, 64)
		case 'd':
			_, err = strconv.ParseFloat(string(text), 64)
		}
		if !found || err != nil {
			return data, fmt.Errorf("not a number: %.20q", text)
		}
		return rest, nil
	case 's':
		n, rest, err := length(body, `:"`)
		if err != nil {
			return data, err
		}
		if n > len(rest) || !bytes.HasPrefix(rest[n:], []byte(`";`)) {
			return data, fmt.Errorf("a string does not have the %d bytes that it claims", n)
		}
		if bytes.IndexByte(rest[:n], '\\') >= 0 {
			return data, errors.New("a string has a backslash, which the library would treat as an escape")
		}
		return rest[n+2:], nil
	case 'a':
		return array(data, body, depth)
	}
	return data, fmt.Errorf("kind %q: only null, bool, int, float, string and array are accepted, no objects or references", kind)
}

func array(data, body []byte, depth int) (rest []byte, err error) {
	if depth == 0 {
		return data, fmt.Errorf("arrays deeper than %d", MaxDepth)
	}
	n, rest, err := length(body, ":{")
	if err != nil {
		return data, err
	}
	for range n {
		if len(rest) == 0 || rest[0] != 'i' && rest[0] != 's' {
			return rest, fmt.Errorf("an array does not have the %d elements that it claims, with keys that are int or string", n)
		}
		if rest, err = value(rest, 0); err != nil {
			return rest, err
		}
		if rest, err = value(rest, depth-1); err != nil {
			return rest, err
		}
	}
	if len(rest) == 0 || rest[0] != '}' {
		return rest, errors.New("an array does not end")
	}
	return rest[1:], nil
}

// length returns the number at the beginning of data, and what follows it and end.
func length(data []byte, end string) (n int, rest []byte, err error) {
	text, rest, found := bytes.Cut(data, []byte(end))
	if n, err = strconv.Atoi(string(text)); !found || err != nil || n < 0 {
		return 0, nil, fmt.Errorf("not a length: %.20q", text)
	}
	return n, rest, nil
}
