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
	mostText = 64 << 10 // bytes of a payload's text that a page gets, about
	someText = 160      // bytes of it that are shown among others
	hexLine  = 16       // bytes in a line
	hexPart  = 4 << 10  // bytes at once
)

// Kinds of payloads.
const (
	kindJSON   = "JSON"
	kindPHP    = "PHP" // what serialize has written
	kindText   = "text"
	kindBinary = "binary"
	kindEmpty  = "empty"
)

// A body is a payload as text in which everything can be seen.
type body struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Cut  bool   `json:"cut"` // there is more
}

// newBody finds out what a payload is, and lays it out as that.
func newBody(data []byte) body {
	b := body{Kind: kindOf(data)}
	out := &limited{most: mostText}
	switch b.Kind {
	case kindJSON:
		indentJSON(out, data)
	case kindPHP:
		_ = layOutPHP(out, data) // kindOf has read it
	default:
		out.write(data[:min(len(data), mostText)])
		out.cut = len(data) > mostText
	}
	for range utf8.UTFMax - 1 { // what was cut off may be a part of a character
		if r, n := utf8.DecodeLastRune(out.text); out.cut && r == utf8.RuneError && n == 1 {
			out.text = out.text[:len(out.text)-1]
		}
	}
	b.Text, b.Cut = string(visible.AppendText(nil, out.text)), out.cut
	return b
}

// beginning returns the kind of a payload and one line of its beginning.
func beginning(data []byte) (kind, text string) {
	start := data[:min(len(data), someText)]
	for len(start) < len(data) && len(start) > 0 && len(start) > someText-utf8.UTFMax && !utf8.Valid(start) {
		start = start[:len(start)-1] // of a character that was cut
	}
	if len(start) <= someText-utf8.UTFMax {
		start = data[:min(len(data), someText)] // it is no UTF-8 anyhow
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

// isText reports whether data is UTF-8 that can be seen, and newlines; in C, it may
// end with NUL.
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

// limited takes text up to a limit, about.
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

// newLine begins a line at a depth.
func (l *limited) newLine(depth int) {
	l.print("\n%*s", 2*min(depth, 40), "")
}

// indentJSON lays out data, which is valid. The encoder's Indent has no limit: deep
// arrays become the square of what they were.
func indentJSON(out *limited, data []byte) {
	depth := 0
	quoted, escaped := false, false
	empty := false // nothing is behind the bracket that opens
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

// dump writes bytes, the first of which is number from, in hexadecimal.
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
