package cli

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressAfter is how long something may take before its progress is shown.
const progressAfter = time.Second

const progressEvery = 100 * time.Millisecond

// progress shows progress on a terminal.
type progress struct {
	what   string
	begun  time.Time
	count  int64
	bytes  int64
	size   int64 // bytes in all, or -1
	shown  time.Time
	silent bool
	bar    *progressbar.ProgressBar
}

// startProgress starts to show progress in reading in, which may be nil.
func startProgress(in *os.File, what string) *progress {
	p := &progress{what: what, begun: time.Now(), size: -1, silent: !isTerminal(os.Stderr)}
	if in == nil {
		return p
	}
	if info, err := in.Stat(); err == nil && info.Mode().IsRegular() {
		p.size = info.Size()
	}
	return p
}

// add counts messages and their bytes in the input.
func (p *progress) add(count, bytes int) {
	p.count += int64(count)
	p.bytes += int64(bytes)
	if p.silent {
		return
	}
	now := time.Now()
	if now.Sub(p.begun) < progressAfter || now.Sub(p.shown) < progressEvery {
		return
	}
	p.shown = now
	if p.bar == nil {
		p.bar = newBar(p.size)
	}
	p.bar.Describe(amount(p.count) + " " + p.what)
	if p.size >= 0 {
		_ = p.bar.Set64(min(p.bytes, p.size))
	} else {
		_ = p.bar.Set64(p.count)
	}
}

// finish removes the bar from the screen.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
		p.silent = true
	}
}

// newBar creates a bar on standard error, or with a total of -1 a spinner.
func newBar(total int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetTheme(progressbar.ThemeDefault),
		progressbar.OptionSetPredictTime(total >= 0),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionClearOnFinish(),
	)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
