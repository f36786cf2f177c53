package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// A display draws on a terminal. It never queries the terminal: it would have to
// wait for one that does not answer, and a late answer would become input of the
// next program.
type display struct {
	in, out *os.File
	before  *term.State

	width, height int
	lines         []string // on the screen now
}

// Control sequences of terminals, with xterm's names.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // alternate screen, no cursor, long lines cut off
	leaveScreen = "\x1b[m\x1b[?7h\x1b[?25h\x1b[?1049l"
	clearScreen = "\x1b[2J"
	clearLine   = "\x1b[2K"
)

// canDraw reports whether in and out are a terminal that understands control
// sequences.
func canDraw(in, out *os.File) bool {
	kind := os.Getenv("TERM")
	return isTerminal(in) && isTerminal(out) && kind != "" && kind != "dumb"
}

// openDisplay takes over the screen and the keyboard of the terminal.
func openDisplay(in, out *os.File) (*display, error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("read keys from the terminal: %w", err)
	}
	d := &display{in: in, out: out, before: before}
	if _, err := out.WriteString(enterScreen); err != nil {
		d.close()
		return nil, fmt.Errorf("write to the terminal: %w", err)
	}
	return d, nil
}

// close restores the terminal. Typed input that was not read stays.
func (d *display) close() {
	_, _ = d.out.WriteString(leaveScreen) // if it fails, the terminal is gone
	_ = term.Restore(int(d.in.Fd()), d.before)
}

// resized reads the size of the terminal, and reports whether it has changed.
func (d *display) resized() bool {
	width, height, err := term.GetSize(int(d.out.Fd()))
	if err != nil || width < 1 || height < 1 { // a serial console does not know its size
		width, height = sizeOf("COLUMNS", 80), sizeOf("LINES", 24)
	}
	if width == d.width && height == d.height {
		return false
	}
	d.width, d.height, d.lines = width, height, nil
	return true
}

func sizeOf(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil && n > 0 && n < 10_000 {
		return n
	}
	return otherwise
}

// draw shows text; it writes only the lines that have changed.
func (d *display) draw(text string) error {
	lines := strings.Split(text, "\n")
	lines = lines[:min(len(lines), d.height)]
	var b strings.Builder
	if d.lines == nil {
		b.WriteString(clearScreen)
		d.lines = make([]string, d.height)
	}
	for i := range d.lines {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		if line != d.lines[i] {
			fmt.Fprintf(&b, "\x1b[%dH%s%s", i+1, clearLine, line)
			d.lines[i] = line
		}
	}
	_, err := d.out.WriteString(b.String())
	return err
}

// Keys with names; other keys are named by the characters they send.
const (
	keyUp, keyDown         = "up", "down"
	keyPageUp, keyPageDown = "page up", "page down"
	keyEscape              = "escape" // or the beginning of another key
	keyInterrupt           = "\x03"
)

var keySequences = map[string]string{
	"\x1b[A": keyUp, "\x1bOA": keyUp, "\x1b[B": keyDown, "\x1bOB": keyDown, "\x1b[5~": keyPageUp, "\x1b[6~": keyPageDown,
}

// readKeys sends the keys that are typed, until send returns false or the terminal
// is gone. It reads byte by byte, so that input after the last key is left to the
// next program.
func readKeys(in io.Reader, send func(key string) (more bool)) error {
	var sequence []byte // since an escape
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(in, b); err != nil {
			return err
		}
		key := ""
		switch {
		case b[0] == '\x1b':
			sequence, key = []byte{b[0]}, keyEscape
		case len(sequence) == 0:
			key = string(b)
		default:
			sequence, key = append(sequence, b[0]), keyEscape
			if sequenceEnds(sequence) {
				key, sequence = keySequences[string(sequence)], nil // empty if unknown
			}
		}
		if !send(key) {
			return nil
		}
	}
}

// sequenceEnds reports whether a sequence that begins with an escape is
// complete: ESC [ parameters and a letter or ~, ESC O and a letter, or ESC and
// another character.
func sequenceEnds(s []byte) bool {
	end := s[len(s)-1]
	switch {
	case s[1] == '[':
		return len(s) > 2 && end >= '@' && end <= '~' || len(s) > 16
	case s[1] == 'O':
		return len(s) > 2
	}
	return true
}
