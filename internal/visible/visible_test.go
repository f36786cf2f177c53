package visible_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"

	"ipcmq/internal/visible"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTextCannotCommandATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain äöü\n\ttext": "plain äöü\n\ttext",
		"\x1b[31mred":       `\x1b[31mred`,
		"bell\a\r\b\x7f":    `bell\x07\x0d\x08\x7f`,
		"bad\xff\xc3":       `bad\xff\xc3`,
		"c1\u009b":          `c1\u009b`,
		"override\u202e":    `override\u202e`,
		"tag\U000e0041":     `tag\U000e0041`,
		"seen \ufffd":       "seen \ufffd",
		"":                  "",
	} {
		if got := string(visible.AppendText(nil, []byte(text))); got != want {
			t.Errorf("%q: %q instead of %q", text, got, want)
		}
		line := strings.NewReplacer("\n", `\x0a`, "\t", `\x09`).Replace(want)
		if got := visible.Line(text); got != line {
			t.Errorf("%q as a line: %q instead of %q", text, got, line)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x1b[31m\n\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		line := visible.Line(s)
		for _, r := range line {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %q", line, r)
			}
		}
		if !utf8.ValidString(line) || !visible.IsPlain(line) {
			t.Errorf("%q is not plain", line)
		}
		if visible.IsPlain(s) != (line == s) {
			t.Errorf("%q is written as %q", s, line)
		}
		text := string(visible.AppendText([]byte("before"), []byte(s)))
		if got := visible.Line(strings.TrimPrefix(text, "before")); got != line {
			t.Errorf("%q as text is %q, as a line %q", s, text, line)
		}
	})
}
