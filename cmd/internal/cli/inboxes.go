package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"ipcmq/internal/address"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// judgedInboxes are the addresses of the inboxes whose process has certainly
// ended, and of those of which nobody here can tell.
type judgedInboxes struct{ dead, unknown []string }

// judgeInboxes judges those of both kinds, and returns what could not be looked
// at.
func judgeInboxes() (j judgedInboxes, problems []error) {
	dead, unknown, err := sysv.DeadInboxes()
	for _, id := range dead {
		j.dead = append(j.dead, address.OfID(id).String())
	}
	for _, id := range unknown {
		j.unknown = append(j.unknown, address.OfID(id).String())
	}
	names, unknownNames, err2 := posix.DeadInboxes()
	for _, name := range names {
		j.dead = append(j.dead, address.OfName(name).String())
	}
	for _, name := range unknownNames {
		j.unknown = append(j.unknown, address.OfName(name).String())
	}
	for _, err := range []error{err, err2} {
		if err != nil {
			problems = append(problems, err)
		}
	}
	return j, problems
}

// checkInboxes finds the inboxes of clients that were killed before they could
// remove them.
func checkInboxes(rows []row) []finding {
	there := 0
	for _, r := range rows {
		if r.Inbox {
			there++
		}
	}
	j, problems := judgeInboxes()
	return j.findings(there, problems)
}

func (j judgedInboxes) findings(there int, problems []error) (findings []finding) {
	if len(j.dead) > 0 {
		is := "are"
		if len(j.dead) == 1 {
			is = "is"
		}
		findings = append(findings, wrong("ipcmq rm --dead-inboxes", "there %s %s, whose replies nobody reads: %s",
			is, inboxes(len(j.dead)), firstOf(j.dead)))
	}
	if len(j.unknown) > 0 {
		findings = append(findings, note("look from the pid namespace of their clients, as their user or as root",
			"whether the clients of %s live cannot be told from here: %s", plural(len(j.unknown), "inbox"), firstOf(j.unknown)))
	}
	for _, err := range problems {
		switch {
		case errors.Is(err, fs.ErrNotExist): // told as what cannot be listed
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
func firstOf(addresses []string) string {
	text := strings.Join(addresses[:min(len(addresses), mostNamed)], ", ")
	if n := len(addresses) - mostNamed; n > 0 {
		text += fmt.Sprintf(" and %s more", amount(n))
	}
	return text
}
