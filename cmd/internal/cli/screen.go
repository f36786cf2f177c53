package cli

import (
	"context"
	"time"
	"unicode/utf8"

	"ipcmq/cmd/internal/collect"
)

// A screen is the state of top on a terminal.
type screen struct {
	painter
	meter *collect.Meter
	left  int // intervals until the end, 0 for no limit
	choice

	editing, help bool // what the keys are for

	gauges        []collect.Gauge
	problems      []error
	at            time.Time
	width, height int
	first         int // of the queues shown
}

// measured is the result of an interval.
type measured struct {
	gauges   []collect.Gauge
	problems []error
}

const (
	resizeEvery = 100 * time.Millisecond // how often to check the size of the terminal
	escapeAlone = 50 * time.Millisecond  // later input is not part of the same key
)

// A keystroke is a key, and the question whether to read another one.
type keystroke struct {
	key  string
	more chan<- bool
}

// run shows the screen on d until a key or ctx ends it, or the last interval is over.
func (s *screen) run(ctx context.Context, d *display) error {
	ctx, cancel := context.WithCancel(ctx)
	keys, gone := make(chan keystroke), make(chan error, 1)
	go func() {
		gone <- readKeys(d.in, func(key string) bool {
			more := make(chan bool, 1)
			select {
			case keys <- keystroke{key, more}:
				return <-more
			case <-ctx.Done():
				return false
			}
		})
	}()
	results := make(chan measured, 1)
	measure := func() {
		gauges, problems := s.meter.Measure(ctx)
		results <- measured{gauges, problems}
	}
	go measure()
	defer func() {
		cancel()
		<-results // the current measurement uses what the caller closes
	}()

	resize := time.NewTicker(resizeEvery)
	defer resize.Stop()
	var escape <-chan time.Time
	d.resized()
	for changed := true; ; {
		if changed {
			s.width, s.height = d.width, d.height
			s.scroll()
			if err := d.draw(s.View()); err != nil {
				return err
			}
		}
		changed = true
		select {
		case <-ctx.Done():
			return nil
		case <-escape:
			if escape = nil; s.leave() {
				return nil
			}
		case <-gone:
			return nil // the terminal is gone
		case t := <-keys:
			escape = nil
			if t.key == keyEscape {
				escape = time.After(escapeAlone)
			}
			ends := s.press(t.key)
			t.more <- !ends
			if ends {
				return nil
			}
		case <-resize.C:
			changed = d.resized()
		case m := <-results:
			s.gauges, s.problems, s.at = m.gauges, m.problems, time.Now()
			go measure()
			if s.left == 1 {
				return nil
			}
			s.left = max(s.left-1, 0)
		}
	}
}

// press handles a key, and reports whether it ends top.
func (s *screen) press(key string) (ends bool) {
	switch {
	case key == keyInterrupt:
		return true
	case key == keyEscape || key == "": // see leave
	case s.editing:
		s.edit(key)
	case s.help:
		s.help = false
	default:
		return s.command(key)
	}
	return false
}

func (s *screen) command(key string) (ends bool) {
	switch key {
	case "q":
		return true
	case "?", "h":
		s.help = true
	case "s":
		s.order = next(orders, s.order)
	case "/":
		s.editing = true
	case keyDown, "j":
		s.first++
	case keyUp, "k":
		s.first--
	case keyPageDown, " ":
		s.first += s.room()
	case keyPageUp:
		s.first -= s.room()
	}
	return false
}

// edit changes the filter.
func (s *screen) edit(key string) {
	switch key {
	case "\r", "\n":
		s.editing = false
	case "\x7f", "\b":
		_, n := utf8.DecodeLastRuneInString(s.filter)
		s.filter = s.filter[:len(s.filter)-n]
	case "\x15": // ^U
		s.filter = ""
	default:
		if len(key) == 1 && key[0] >= ' ' {
			s.filter += key
		}
	}
}

// leave handles the escape key, and reports whether it ends top.
func (s *screen) leave() (ends bool) {
	switch {
	case s.help:
		s.help = false
	case s.editing || s.filter != "":
		s.editing, s.filter = false, ""
	default:
		return true
	}
	return false
}

// room is how many queues fit on the screen.
func (s *screen) room() int { return max(s.height-5-min(len(s.problems), 2), 1) }

func (s *screen) scroll() { s.first = max(min(s.first, len(s.of(s.gauges))-s.room()), 0) }
