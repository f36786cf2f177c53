package cli

import (
	"os"
	"strings"

	"ipcmq/internal/visible"
)

// A style is a parameter of the control sequence SGR of ECMA-48, which terminals
// have supported for decades.
type style string

const (
	bold      style = "1"
	faint     style = "2"
	underline style = "4"
	reverse   style = "7"

	// Colors of the terminal's own palette, so that they suit its background.
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

func (s style) color() bool { return s[0] == '3' }

// A painter gives text its style.
type painter struct{ plain, colorless bool }

// newPainter returns a painter that respects NO_COLOR (no-color.org).
func newPainter() painter { return painter{colorless: os.Getenv("NO_COLOR") != ""} }

// paint returns text in the styles. All text on a screen goes through it, so that no
// name can control the terminal.
func (p painter) paint(text string, styles ...style) string {
	text = visible.Line(text)
	var parameters []string
	for _, s := range styles {
		if !p.plain && !(p.colorless && s.color()) {
			parameters = append(parameters, string(s))
		}
	}
	if len(parameters) == 0 || text == "" {
		return text
	}
	return "\x1b[" + strings.Join(parameters, ";") + "m" + text + "\x1b[m"
}
