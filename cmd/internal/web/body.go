package web

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ipcmq/internal/visible"
)

const (
	mostText = 64 << 10 // bytes of a payload's text sent to a page, approximately
	someText = 160      // bytes of it shown in a list
	hexLine  = 16       // bytes per line
	hexPart  = 4 << 10  // bytes at once
)

// Kinds of payloads.
const (
	kindJSON   = "JSON"
	kindPHP    = "PHP" // as written by serialize
	kindText   = "text"
	kindBinary = "binary"
	kindEmpty  = "empty"
)

// A body is a payload as text without invisible characters.
type body struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Cut  bool   `json:"cut"` // there is more
}

// newBody detects the kind of a payload, and formats it accordingly.
func newBody(data []byte) body {
	b := body{Kind: kindOf(data)}
	out := &limited{most: mostText}
	switch b.Kind {
	case kindJSON:
		indentJSON(out, data)
	case kindPHP:
		_ = layOutPHP(out, data) // kindOf has parsed it successfully
	default:
		out.write(data[:min(len(data), mostText)])
		out.cut = len(data) > mostText
	}
	for range utf8.UTFMax - 1 { // the cut may be within a character
		if r, n := utf8.DecodeLastRune(out.text); out.cut && r == utf8.RuneError && n == 1 {
			out.text = out.text[:len(out.text)-1]
		}
	}
	b.Text, b.Cut = string(visible.AppendText(nil, out.text)), out.cut
	return b
}

// beginning returns the kind of a payload and its beginning as one line.
func beginning(data []byte) (kind, text string) {
	start := data[:min(len(data), someText)]
	for len(start) < len(data) && len(start) > 0 && len(start) > someText-utf8.UTFMax && !utf8.Valid(start) {
		start = start[:len(start)-1] // a part of a character
	}
	if len(start) <= someText-utf8.UTFMax {
		start = data[:min(len(data), someText)] // it is not UTF-8 anyway
	}
	return kindOf(data), visible.Line(string(start))
}

func kindOf(data []byte) string {
	first := byte(' ')
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 {
		first = trimmed[0]
	}
	switch {
	case len(data) == 0:
		return kindEmpty
	case strings.IndexByte(`{["`, first) >= 0 && json.Valid(data):
		return kindJSON
	case layOutPHP(&limited{}, data) == nil:
		return kindPHP
	case isText(data):
		return kindText
	}
	return kindBinary
}

// isText reports whether data is UTF-8 with visible characters and newlines; it may end
// with NUL, as in C.
func isText(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for _, r := range string(bytes.TrimRight(data, "\x00")) {
		if r < ' ' && !strings.ContainsRune("\t\n\r", r) || r == 0x7f || !unicode.IsGraphic(r) && r >= ' ' && !unicode.Is(unicode.Cf, r) {
			return false
		}
	}
	return true
}

// limited collects text up to an approximate limit.
type limited struct {
	most int
	text []byte
	cut  bool // there was more
}

func (l *limited) write(b []byte) {
	room := max(0, l.most-len(l.text))
	l.cut = l.cut || len(b) > room
	l.text = append(l.text, b[:min(len(b), room)]...)
}

func (l *limited) print(format string, args ...any) {
	if len(l.text) < l.most {
		l.write(fmt.Appendf(nil, format, args...))
	} else {
		l.cut = true
	}
}

// newLine begins a line with the indentation of a depth.
func (l *limited) newLine(depth int) {
	l.print("\n%*s", 2*min(depth, 40), "")
}

// indentJSON formats valid JSON. The Indent of package json has no limit: the size of
// deep arrays would grow with the square.
func indentJSON(out *limited, data []byte) {
	depth := 0
	quoted, escaped := false, false
	empty := false // nothing follows the opening bracket
	for i := 0; i < len(data) && !out.cut; i++ {
		c := data[i]
		if quoted {
			out.write(data[i : i+1])
			quoted = c != '"' || escaped
			escaped = c == '\\' && !escaped
			continue
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '}', ']':
			if depth--; !empty {
				out.newLine(depth)
			}
			out.write(data[i : i+1])
			empty = false
			continue
		}
		if empty {
			out.newLine(depth)
		}
		empty = false
		out.write(data[i : i+1])
		switch c {
		case '"':
			quoted = true
		case '{', '[':
			depth++
			empty = true
		case ',':
			out.newLine(depth)
		case ':':
			out.write([]byte(" "))
		}
	}
}

// dump formats bytes in hexadecimal; from is the offset of the first.
func dump(data []byte, from int) string {
	var b strings.Builder
	for i := 0; i < len(data); i += hexLine {
		line := data[i:min(i+hexLine, len(data))]
		digits := hex.EncodeToString(line)
		fmt.Fprintf(&b, "%08x ", from+i)
		for j := range hexLine {
			if j%8 == 0 {
				b.WriteByte(' ')
			}
			if j < len(line) {
				b.WriteString(digits[2*j:2*j+2] + " ")
			} else {
				b.WriteString("   ")
			}
		}
		b.WriteByte(' ')
		for _, c := range line {
			if c < ' ' || c > '~' {
				c = '.'
			}
			b.WriteByte(c)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
