package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
)

// checkInboxes finds the inboxes of clients that were killed before they could
// remove them.
func checkInboxes(l collect.Listing) (findings []finding) {
	there := 0
	for _, q := range l.Queues {
		if q.Inbox {
			there++
		}
	}
	j, problems := l.Inboxes()
	if len(j.Dead) > 0 {
		is := "are"
		if len(j.Dead) == 1 {
			is = "is"
		}
		findings = append(findings, wrong("ipcmq rm --dead-inboxes", "there %s %s, whose replies nobody reads: %s",
			is, inboxes(len(j.Dead)), firstOf(j.Dead)))
	}
	if len(j.Unknown) > 0 {
		findings = append(findings, note("look from the pid namespace of their clients, as their user or as root",
			"whether the clients of %s are alive cannot be seen from here: %s", plural(len(j.Unknown), "inbox"), firstOf(j.Unknown)))
	}
	for _, err := range problems {
		switch {
		case errors.Is(err, fs.ErrNotExist): // reported as queues that cannot be listed
			if len(findings) == 0 {
				findings = append(findings, note("", "of the queues that could be listed, none is the inbox of a dead client"))
			}
		case there > 0 || !errors.Is(err, errors.ErrUnsupported):
			findings = append(findings, note("", "whether inboxes were left behind is not known: %s", explain(err)))
		}
	}
	if len(findings) == 0 {
		findings = append(findings, ok("no inbox of a dead client was left behind"))
	}
	return findings
}

// firstOf names some of the queues.
func firstOf(addresses []address.Address) string {
	var texts []string
	for _, a := range addresses[:min(len(addresses), mostNamed)] {
		texts = append(texts, a.String())
	}
	text := strings.Join(texts, ", ")
	if n := len(addresses) - mostNamed; n > 0 {
		text += fmt.Sprintf(" and %s more", amount(n))
	}
	return text
}
