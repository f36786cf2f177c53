package cli

import (
	"fmt"
	"strings"

	"ipcmq/cmd/internal/collect"
	"ipcmq/mq/sysv"
)

// usersGone reports whether the last users of a System V queue have certainly ended,
// nobody waits at it, and no living process has messages of it on lease.
func usersGone(r collect.Queue) bool {
	if r.Kind != collect.SysV || len(r.Waiting) > 0 {
		return false
	}
	if l := r.Leases; l != nil && (l.Held < 0 || l.Held > l.Dead) { // held by the living, or by processes that cannot be seen
		return false
	}
	gone := 0
	for _, p := range []*collect.Process{r.LastSender, r.LastReceiver} {
		switch {
		case p == nil:
		case !p.Gone:
			return false // it may live, here or in another pid namespace
		default:
			gone++
		}
	}
	return gone > 0
}

// checkPrivate finds private queues that nobody can be using: other processes reach
// them only through processes that have used them. checkInboxes checks inboxes.
func checkPrivate(rows []collect.Queue) (findings []finding) {
	for _, r := range rows {
		if r.Key == sysv.Private.String() && !r.Inbox && usersGone(r) {
			findings = append(findings, wrong("if the program that created it has ended too: ipcmq rm "+r.Where.Shell(), "%s is private and its last users are gone: sender %s, receiver %s, %s",
				r.Address, nameOf(r.LastSender), nameOf(r.LastReceiver), plural(int(r.Messages), "message")))
		}
	}
	if len(findings) == 0 {
		findings = append(findings, ok("no private queue was left behind"))
	}
	return findings
}

// mostNamed is how many queues one finding names.
const mostNamed = 10

// checkKeyed finds queues without a living user that have a key, with which a program
// may still open them. It leaves inboxes to checkInboxes: the last to reply to one may
// have ended.
func checkKeyed(rows []collect.Queue) (findings []finding) {
	var texts, addresses []string
	n := 0
	for _, r := range rows {
		if r.Key == sysv.Private.String() || r.Inbox || !usersGone(r) {
			continue
		}
		if n++; n <= mostNamed {
			text := plural(int(r.Messages), "message")
			if lent := r.Leases.Messages(); lent > 0 {
				text += fmt.Sprintf(", %d lent", lent)
			}
			texts = append(texts, fmt.Sprintf("%s (%s)", r.Address, text))
			addresses = append(addresses, r.Where.Shell())
		}
	}
	if n == 0 {
		return nil
	}
	more := ""
	if n > mostNamed {
		more = " ..."
	}
	return []finding{note("if no program will use them again: ipcmq rm "+strings.Join(addresses, " "),
		"%s with a key, whose last users are gone: %s%s", plural(n, "queue"), strings.Join(texts, ", "), more)}
}

// perlKey is the key that Perl uses instead of every key of 2^31 or more.
const perlKey sysv.Key = 1 << 31

// checkOdd finds queues that programs create by mistake.
func checkOdd(rows []collect.Queue) (findings []finding) {
	for _, r := range rows {
		if r.Mode == collect.Octal(0) {
			findings = append(findings, wrong(fmt.Sprintf("ipcmq set %s --mode 0600", r.Where.Shell()),
				"%s has mode 0000: only root can send or receive (PHP creates such queues if the mode is not given as octal)", r.Address))
		}
		if r.Key == perlKey.String() {
			findings = append(findings, note("in Perl, pass such keys signed: unpack('l', pack('L', $key))",
				"there is a queue with key %s: Perl uses it for every key of 2^31 and above, so that programs share it by mistake", r.Key))
		}
	}
	return findings
}
