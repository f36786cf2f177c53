package web

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// errNotPHP is the error for data that PHP's serialize does not write.
var errNotPHP = errors.New("not what PHP's serialize writes")

// deepestPHP is how deep values may be nested.
const deepestPHP = 100

// layOutPHP formats the output of PHP's serialize like PHP source. It creates nothing but
// text, and allocates nothing because of a length in the data.
func layOutPHP(out *limited, data []byte) error {
	p := php{out: out, rest: data}
	if err := p.value(0); err != nil {
		return err
	}
	if len(p.rest) > 0 {
		return errNotPHP
	}
	return nil
}

// php parses the output of serialize.
type php struct {
	out  *limited
	rest []byte
}

// until returns the bytes before end, and skips end too.
func (p *php) until(end byte) ([]byte, error) {
	i := bytes.IndexByte(p.rest[:min(len(p.rest), 1<<10)], end)
	if i < 0 {
		return nil, errNotPHP
	}
	text := p.rest[:i]
	p.rest = p.rest[i+1:]
	return text, nil
}

func (p *php) literal(text string) error {
	rest, ok := bytes.CutPrefix(p.rest, []byte(text))
	if !ok {
		return errNotPHP
	}
	p.rest = rest
	return nil
}

// length reads a number of bytes or elements, up to end.
func (p *php) length(end byte) (int, error) {
	text, err := p.until(end)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || int(n) > len(p.rest) { // each needs at least a byte
		return 0, errNotPHP
	}
	return int(n), nil
}

// quoted reads the length and the bytes of a string.
func (p *php) quoted() ([]byte, error) {
	n, err := p.length(':')
	if err == nil {
		err = p.literal(`"`)
	}
	if err != nil || n > len(p.rest) {
		return nil, errNotPHP
	}
	text := p.rest[:n]
	p.rest = p.rest[n:]
	return text, p.literal(`"`)
}

func (p *php) value(depth int) error {
	if len(p.rest) < 2 || depth > deepestPHP {
		return errNotPHP
	}
	kind := p.rest[0]
	if kind == 'N' {
		p.out.print("null")
		return p.literal("N;")
	}
	if p.rest[1] != ':' {
		return errNotPHP
	}
	p.rest = p.rest[2:]
	switch kind {
	case 'b', 'i', 'd', 'r', 'R':
		return p.scalar(kind)
	case 's':
		text, err := p.quoted()
		if err != nil {
			return err
		}
		p.out.string(text)
		return p.literal(";")
	case 'a':
		n, err := p.length(':')
		if err != nil {
			return err
		}
		return p.elements(n, depth, "[", "]")
	case 'O':
		class, err := p.quoted()
		if err == nil {
			err = p.literal(":")
		}
		if err != nil {
			return err
		}
		n, err := p.length(':')
		if err != nil {
			return err
		}
		p.out.write(class)
		return p.elements(n, depth, " {", "}")
	case 'E': // a case of an enumeration
		text, err := p.quoted()
		if err != nil {
			return err
		}
		p.out.write(bytes.Replace(text, []byte(":"), []byte("::"), 1))
		return p.literal(";")
	case 'C': // a class with its own serialization
		return p.custom()
	}
	return errNotPHP
}

func (p *php) scalar(kind byte) error {
	text, err := p.until(';')
	if err != nil {
		return err
	}
	switch kind {
	case 'b':
		if string(text) != "0" && string(text) != "1" {
			return errNotPHP
		}
		p.out.print("%t", text[0] == '1')
	case 'i':
		if _, err = strconv.ParseInt(string(text), 10, 64); err != nil {
			return errNotPHP
		}
		p.out.write(text)
	case 'd':
		if _, err = strconv.ParseFloat(string(text), 64); err != nil && !errors.Is(err, strconv.ErrRange) {
			return errNotPHP
		}
		p.out.write(text)
	default:
		n, err := strconv.ParseUint(string(text), 10, 31)
		if err != nil {
			return errNotPHP
		}
		p.out.print("(the same as value %d)", n)
	}
	return nil
}

// elements reads n pairs of a key and a value.
func (p *php) elements(n, depth int, open, end string) error {
	if err := p.literal("{"); err != nil {
		return err
	}
	p.out.print("%s", open)
	for range n {
		p.out.newLine(depth + 1)
		if len(p.rest) == 0 || p.rest[0] != 'i' && p.rest[0] != 's' {
			return errNotPHP
		}
		if err := p.value(depth + 1); err != nil {
			return err
		}
		p.out.print(" => ")
		if err := p.value(depth + 1); err != nil {
			return err
		}
		p.out.print(",")
	}
	if n > 0 {
		p.out.newLine(depth)
	}
	p.out.print("%s", end)
	return p.literal("}")
}

func (p *php) custom() error {
	class, err := p.quoted()
	if err == nil {
		err = p.literal(":")
	}
	if err != nil {
		return err
	}
	n, err := p.length(':')
	if err == nil {
		err = p.literal("{")
	}
	if err != nil || n > len(p.rest) {
		return errNotPHP
	}
	p.out.write(fmt.Appendf(nil, "%s {", class))
	p.out.write(p.rest[:n])
	p.out.print("}")
	p.rest = p.rest[n:]
	return p.literal("}")
}

// string writes a string of PHP.
func (l *limited) string(text []byte) {
	l.write([]byte(`"`))
	for len(text) > 0 && !l.cut {
		i := bytes.IndexAny(text, `"\`)
		if i < 0 {
			i = len(text)
		}
		l.write(text[:i])
		if text = text[i:]; len(text) > 0 {
			l.write([]byte{'\\', text[0]})
			text = text[1:]
		}
	}
	l.write([]byte(`"`))
}
