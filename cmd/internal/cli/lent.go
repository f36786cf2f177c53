package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"ipcmq/cmd/internal/collect"
	"ipcmq/mq/sysv"
)

// lentIn returns how many messages are lent, as in "5 (2 due, 1 dead)".
func lentIn(q collect.Queue) string {
	l := q.Leases
	switch {
	case q.Kind == collect.Posix, l.Messages() < 0:
		return "-"
	case l == nil:
		return "0"
	}
	var parts []string
	if l.Due > 0 {
		parts = append(parts, fmt.Sprintf("%d due", l.Due))
	}
	if l.Dead > 0 {
		parts = append(parts, fmt.Sprintf("%d dead", l.Dead))
	}
	text := fmt.Sprint(l.Messages())
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text
}

// lentForTop is lentIn for top.
func lentForTop(l *collect.Leases) (text string, look []style) {
	switch n := l.Messages(); {
	case n < 0:
		return "?", []style{faint}
	case n == 0:
		return "-", []style{faint}
	case l.Dead > 0:
		return shortNumber(float64(n)) + "!", []style{bold, red}
	case l.Due > 0:
		return shortNumber(float64(n)), []style{yellow}
	default:
		return shortNumber(float64(n)), nil
	}
}

// mostLent is how many lent messages, and how many of their holders, stat shows.
const mostLent = 20

// leases returns what stat shows about leases.
func (d description) leases(now time.Time) (lines [][]string) {
	l := d.Leases
	if l == nil {
		return nil
	}
	add := func(name, format string, args ...any) {
		lines = append(lines, []string{name, fmt.Sprintf(format, args...)})
	}
	if l.Held < 0 {
		add("lent", "not known: %s", explain(l.Problem))
		return lines
	}
	add("lent", "%s: %d held, %d given back, %d due; %d of %d slots free (segment %d, %d bytes)",
		amount(l.Messages()), l.Held, l.Returned, l.Due, l.Free, l.Slots, l.Segment, l.Bytes)
	for i, h := range l.Holders {
		if i == mostLent {
			add("holder", "and %s more", amount(len(l.Holders)-i))
			break
		}
		add("holder", "%s", held(h, now))
	}
	for _, m := range d.Lent {
		add("message", "%s", lentMessage(m, now))
	}
	if more := l.Messages() - len(d.Lent); len(d.Lent) == mostLent && more > 0 {
		add("message", "and %s more", amount(more))
	}
	return lines
}

// held returns how many messages a process holds, and since when.
func held(h collect.Holder, now time.Time) string {
	text := fmt.Sprintf("%s: %s", h, plural(h.Messages, "message"))
	if h.Since != nil {
		text += ", since " + age(now, *h.Since)
	}
	if h.Until != nil && !h.Gone {
		text += ", the first runs out " + until(now, *h.Until)
	}
	return text
}

func lentMessage(m collect.Lent, now time.Time) string {
	text := fmt.Sprintf("%d: type %d, attempt %d", m.Sequence, m.Type, m.Attempt)
	switch {
	case m.Size >= 0 && m.Uncertain:
		text += fmt.Sprintf(", %d bytes or more", m.Size)
	case m.Size >= 0:
		text += ", " + plural(m.Size, "byte")
	}
	switch {
	case m.Holder == nil && m.Due:
		return text + ", given back, due"
	case m.Holder == nil && m.Until != nil:
		return text + ", given back, due " + until(now, *m.Until)
	case m.Holder == nil:
		return text + ", given back"
	}
	text += ", with " + m.Holder.String()
	if m.Holder.Since != nil {
		text += " since " + age(now, *m.Holder.Since)
	}
	switch {
	case m.Due:
		text += ", due"
	case m.Until != nil:
		text += ", runs out " + until(now, *m.Until)
	}
	return text
}

// until returns how far away a time is.
func until(now, t time.Time) string {
	if t.Before(now) {
		return age(now, t) + " ago"
	}
	return "in " + age(t, now)
}

// checkLeases finds messages whose holders have ended and that nobody takes over, and
// pools of queues that are gone.
func checkLeases(l collect.Listing) (findings []finding) {
	lent, unjudged := 0, 0
	for _, q := range l.Queues {
		r := q.Leases
		if r == nil || r.Held < 0 {
			continue
		}
		lent += r.Messages()
		unjudged += r.Unjudged
		living := r.Held - r.Dead - r.Unjudged
		waits, _ := q.CountWaiting()
		switch {
		case r.Dead > 0 && living == 0 && r.Unjudged == 0 && waits == 0:
			findings = append(findings, wrong(fmt.Sprintf("start its workers, which will get them; ipcmq stat %s shows them", q.Where.Shell()),
				"%s of %s %s with processes that have ended, and nobody takes them over: %s", plural(r.Dead, "message"), q.Address, isOrAre(r.Dead), deadHolders(r)))
		case r.Dead > 0:
			findings = append(findings, note(fmt.Sprintf("the next call that leases gets them; ipcmq stat %s shows them", q.Where.Shell()),
				"%s of %s %s with processes that have ended: %s", plural(r.Dead, "message"), q.Address, isOrAre(r.Dead), deadHolders(r)))
		}
		if r.Free == 0 {
			findings = append(findings, note(fmt.Sprintf("faster workers, or more leases at once when the queue is created again (MaxLeases of mq/sysv); ipcmq stat %s shows them", q.Where.Shell()),
				"all %[2]d leases of %[1]s are in use: nobody gets another message until one is settled", q.Address, r.Slots))
		}
	}
	if unjudged > 0 {
		findings = append(findings, note("look from their pid namespace, or as root", "whether the holders of %s on lease are alive cannot be seen from here", plural(unjudged, "message")))
	}
	if n := len(l.Orphans); n > 0 {
		var texts []string
		for _, o := range l.Orphans[:min(n, mostNamed)] {
			texts = append(texts, orphanText(o))
		}
		if n > mostNamed {
			texts = append(texts, fmt.Sprintf("%s more", amount(n-mostNamed)))
		}
		what := "1 pool was left by a queue that is gone"
		if n > 1 {
			what = amount(n) + " pools were left by queues that are gone"
		}
		findings = append(findings, wrong("ipcmq rm --orphaned-pools", "%s: %s", what, strings.Join(texts, "; ")))
	}
	for _, err := range l.BadPools {
		findings = append(findings, wrong("", "%s", explain(err)))
	}
	if l.HiddenPools > 0 {
		findings = append(findings, note("look as their user or as root", "this user may not see the leases in %s", plural(l.HiddenPools, "pool")))
	}
	if l.PoolErr != nil && l.SysVErr == nil { // otherwise the error of the queues is reported
		findings = append(findings, note("", "leases cannot be listed: %s", explain(l.PoolErr)))
	}
	if len(findings) == 0 && l.SysVErr == nil {
		findings = append(findings, ok("no process that has ended holds a message: %s lent", amount(lent)))
	}
	return findings
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// deadHolders names some of the processes that ended while they held messages.
func deadHolders(l *collect.Leases) string {
	var texts []string
	n := 0
	for _, h := range l.Holders {
		if !h.Gone {
			continue
		}
		if n++; n <= mostNamed {
			texts = append(texts, held(h, time.Now()))
		}
	}
	if n > mostNamed {
		texts = append(texts, fmt.Sprintf("and %s more", amount(n-mostNamed)))
	}
	return strings.Join(texts, "; ")
}

func orphanText(o collect.Orphan) string {
	text := fmt.Sprintf("segment %d of key %s, %s bytes of %s", o.Segment, o.Key, amount(o.Bytes), o.Owner)
	if o.Messages > 0 {
		text += ", with " + plural(o.Messages, "message")
	}
	return text
}

// removeOrphanedPools removes the orphaned pools that it may remove.
func removeOrphanedPools() error {
	removed, err := sysv.RemoveOrphanedPools()
	failed := error(nil)
	if err != nil {
		failed = errReported
		for _, err := range unjoin(err) {
			report(err)
		}
	}
	for _, p := range removed {
		if err := printLine("segment %d of key %s", p.Segment, p.Key); err != nil {
			return err
		}
	}
	if err := printLine("removed %s", plural(len(removed), "pool")); err != nil {
		return err
	}
	return failed
}

func unjoin(err error) []error {
	var all interface{ Unwrap() []error }
	if errors.As(err, &all) {
		return all.Unwrap()
	}
	return []error{err}
}
