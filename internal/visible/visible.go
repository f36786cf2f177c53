// Package visible makes text of others harmless for terminals: what could
// command a terminal, or make one line look like two, is written as escapes.
package visible

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// AppendText appends text to b. Newlines and tabs stay; other characters that
// cannot be seen, and bytes that are no UTF-8, become \x1b or \u202e.
func AppendText(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == '\n' || r == '\t' {
			b = append(b, text[0])
		} else {
			b = appendRune(b, text[:n], r)
		}
		text = text[n:]
	}
	return b
}

// Line returns s as it can be a part of a line: newlines and tabs are escaped
// too, as \x0a and \x09.
func Line(s string) string {
	if IsPlain(s) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		b = appendRune(b, []byte(s[:n]), r)
		s = s[n:]
	}
	return string(b)
}

// IsPlain reports whether all characters of s can be seen.
func IsPlain(s string) bool {
	for i, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError && !isReplacement(s[i:]) {
			return false
		}
	}
	return true
}

// isReplacement reports whether s begins with U+FFFD itself.
func isReplacement(s string) bool {
	_, n := utf8.DecodeRuneInString(s)
	return n > 1
}

// appendRune appends one character, r, which takes the bytes text.
func appendRune(b, text []byte, r rune) []byte {
	switch {
	case r == utf8.RuneError && len(text) == 1, r < 0x80 && !unicode.IsPrint(r):
		return fmt.Appendf(b, `\x%02x`, text[0])
	case unicode.IsPrint(r):
		return append(b, text...)
	case r > 0xffff:
		return fmt.Appendf(b, `\U%08x`, r)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}
