package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/limits"
	"ipcmq/internal/procfs"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func doctorCommand() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "doctor [flags]",
		Short: "Find common problems on this host, and their remedies",
		Long: `Doctor looks for common problems with message queues on a host: limits that
are too small for the existing queues, queues that are removed at logout
(RemoveIPC of systemd), an mqueue file system that is not mounted, full queues that
nobody reads, queues whose last users are gone, inboxes of dead clients, messages
lent to processes that have ended, leases and large payloads of queues that are gone,
POSIX queues that were unlinked and are still open, modes and keys that are probably
mistakes, other IPC namespaces.

The status is 1 if something is wrong. A note is something worth knowing, or something
that cannot be seen from here: only what was checked is reported as ok.`,
		Example: `  ipcmq doctor
  ipcmq doctor --json | jq '.[] | select(.level == "WRONG")'`,
		Args: cobra.NoArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write an array of objects: level (ok, note or WRONG), text and remedy")
	c.RunE = func(*cobra.Command, []string) error {
		findings := diagnose()
		wrong := 0
		var text harmless
		for _, f := range findings {
			if f.Level == wrongLevel {
				wrong++
			}
			text += line("%-5s  %s", f.Level, f.Text)
			if f.Remedy != "" {
				text += line("       -> %s", f.Remedy)
			}
		}
		err := error(nil)
		if asJSON {
			err = writeJSON(findings)
		} else {
			err = write(os.Stdout, text)
		}
		if err == nil && wrong > 0 {
			err = fmt.Errorf("%s to look at", plural(wrong, "problem"))
		}
		return err
	}
	return c
}

// Levels of findings.
const (
	okLevel    = "ok"
	noteLevel  = "note"
	wrongLevel = "WRONG"
)

// A finding is the result of a check.
type finding struct {
	Level  string `json:"level"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // what to do; empty if nothing needs to be done
}

func ok(format string, args ...any) finding {
	return finding{Level: okLevel, Text: fmt.Sprintf(format, args...)}
}

func note(remedy, format string, args ...any) finding {
	return finding{noteLevel, fmt.Sprintf(format, args...), remedy}
}

func wrong(remedy, format string, args ...any) finding {
	return finding{wrongLevel, fmt.Sprintf(format, args...), remedy}
}

func diagnose() (findings []finding) {
	l := collect.List()
	_, _ = collect.Wait(l.Queues) // if it fails, no process is named
	rows, problems := l.Queues, l.Problems()
	for _, err := range problems {
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			findings = append(findings, note("", "%s", explain(err)))
		default:
			text, remedy := splitRemedy(explain(err))
			findings = append(findings, wrong(remedy, "%s", text))
		}
	}
	if len(problems) == 0 {
		findings = append(findings, ok("System V and POSIX queues can be listed: %s", plural(len(rows), "queue")))
	}
	findings = append(findings, checkSysvLimits(l)...)
	findings = append(findings, checkPosixLimits(l)...)
	findings = append(findings, onlyListed(problems, checkFull(rows, time.Now()))...)
	findings = append(findings, onlyListed(problems, checkPrivate(rows))...)
	findings = append(findings, checkInboxes(l)...)
	findings = append(findings, checkLeases(l)...)
	findings = append(findings, checkLarge(l)...)
	findings = append(findings, checkKeyed(rows)...)
	findings = append(findings, checkOdd(rows)...)
	findings = append(findings, checkRemoveIPC(os.DirFS("/"), os.Geteuid()))
	return append(findings, checkNamespaces(procfs.Root)...)
}

// onlyListed turns ok into a note if not all queues could be listed.
func onlyListed(problems []error, findings []finding) []finding {
	if len(problems) == 0 {
		return findings
	}
	for i, f := range findings {
		if f.Level == okLevel {
			findings[i] = note("", "of the queues that could be listed: %s", f.Text)
		}
	}
	return findings
}

// splitRemedy splits "what is wrong (what to do)".
func splitRemedy(text string) (what, remedy string) {
	if i := strings.LastIndex(text, " ("); i > 0 && strings.HasSuffix(text, ")") {
		return text[:i], text[i+2 : len(text)-1]
	}
	return text, ""
}

// nearlyUsedUp is the fraction of a limit from which its use is reported.
const nearlyUsedUp = 0.8

func checkSysvLimits(l collect.Listing) (findings []finding) {
	u, err := l.SysVUse()
	if err != nil {
		return []finding{note("", "System V limits: %s", explain(err))}
	}
	if float64(u.Usage.Queues) >= nearlyUsedUp*float64(u.MaxQueues) {
		findings = append(findings, wrong(raiseOr(limits.MsgMni, u.MaxQueues, "ipcmq rm --mine --empty"),
			"%d of %d System V queues are used (kernel.msgmni)", u.Usage.Queues, u.MaxQueues))
	}
	if u.MaxMessage > u.DefaultCapacity {
		findings = append(findings, wrong(limits.MsgMnb.Set(min(4*int64(u.MaxMessage), limits.MsgMnb.Ceiling)),
			"a message may have %d bytes (kernel.msgmax), and a new queue holds only %d (kernel.msgmnb)", u.MaxMessage, u.DefaultCapacity))
	}
	for _, r := range l.Queues {
		if r.Kind == collect.SysV && r.Capacity >= 0 {
			findings = append(findings, checkCapacity(r, u.Limits)...)
		}
	}
	if len(findings) == 0 {
		findings = append(findings, ok("the System V limits suffice: %d of %d queues, messages of up to %d bytes", u.Usage.Queues, u.MaxQueues, u.MaxMessage))
	}
	return findings
}

// checkCapacity compares a queue's capacity with the limits.
func checkCapacity(r collect.Queue, l sysv.Limits) []finding {
	switch capacity := int64(l.DefaultCapacity); {
	case r.Capacity < min(int64(l.MaxMessage), capacity):
		return []finding{wrong(fmt.Sprintf("ipcmq set %s --capacity %d", r.Where.Shell(), capacity),
			"%s has a capacity of %d bytes: a message of up to %d (kernel.msgmax) can never be sent to it", r.Address, r.Capacity, l.MaxMessage)}
	case r.Capacity > limits.MsgMnb.Ceiling:
		return []finding{note(fmt.Sprintf("ipcmq set %s --capacity %d, if its owner must be able to change it: %s", r.Where.Shell(), capacity, limits.MsgMnb.Set(r.Capacity)),
			"%s has a capacity of %d bytes, above kernel.msgmnb = %d", r.Address, r.Capacity, capacity)}
	case r.Capacity > capacity:
		return []finding{note(limits.MsgMnb.Set(r.Capacity)+", if its owner must be able to change it or create it again",
			"%s has a capacity of %d bytes, above kernel.msgmnb = %d", r.Address, r.Capacity, capacity)}
	}
	return nil
}

func checkPosixLimits(queues collect.Listing) (findings []finding) {
	l, err := posix.SystemLimits()
	if err != nil {
		return []finding{note("", "POSIX limits: %s", explain(err))}
	}
	u, err := queues.PosixUse()
	if err != nil {
		return []finding{note("", "how much of the POSIX limits is used is not known: the queues cannot be listed")}
	}
	if l.MaxQueues >= 0 && float64(u.Queues) >= nearlyUsedUp*float64(l.MaxQueues) { // the kernel treats a negative limit as unlimited
		findings = append(findings, wrong(raiseOr(limits.MqQueuesMax, l.MaxQueues, "ipcmq rm --mine --empty"),
			"%d of %d POSIX queues are used (fs.mqueue.queues_max)", u.Queues, l.MaxQueues))
	}
	if l.UserBytes >= 0 && float64(u.Bytes) >= nearlyUsedUp*float64(l.UserBytes) {
		findings = append(findings, wrong(limits.DoubleMsgqueue(l.UserBytes, l.MaxUserBytes)+", LimitMSGQUEUE= of a systemd unit, or smaller queues",
			"the POSIX queues of this user take %d of %d bytes (RLIMIT_MSGQUEUE)", u.Bytes, l.UserBytes))
	}
	switch {
	case u.UnlinkedErr != nil:
		findings = append(findings, note("", "whether unlinked queues are still open, and count towards the POSIX limits, is not known: %v", u.UnlinkedErr))
	case len(findings) == 0 && u.Unlinked.Hidden > 0:
		findings = append(findings, note("", "the POSIX limits suffice for what this user can see: %d of %d queues; "+
			"processes of other users may have unlinked queues open", u.Queues, l.MaxQueues))
	case len(findings) == 0:
		findings = append(findings, ok("the POSIX limits suffice: %d of %d queues", u.Queues, l.MaxQueues))
	}
	if n := u.Unlinked.Queues; n > 0 {
		holders := u.Unlinked.Holders[:min(len(u.Unlinked.Holders), 3)]
		findings = append(findings, note("they go away when the processes that have them open close them or end",
			"%s unlinked and still open, in no listing, with %d bytes of RLIMIT_MSGQUEUE of this user: held by %s%s",
			map[bool]string{true: "1 POSIX queue is", false: fmt.Sprintf("%d POSIX queues are", n)}[n == 1], u.Unlinked.Bytes,
			strings.Join(holders, ", "), map[bool]string{true: " ..."}[len(u.Unlinked.Holders) > 3]))
	}
	return findings
}

// raiseOr explains how to raise a limit, given its value now, or what else helps.
func raiseOr(l limits.Limit, now int, otherwise string) string {
	if l.AtCeiling(int64(now)) {
		return otherwise + "; " + l.Double(int64(now))
	}
	return l.Double(int64(now)) + ", or " + otherwise
}

// unreadAfter is how long a full queue may go unread before it is reported.
const unreadAfter = 10 * time.Second

// checkFull finds queues that are full and that nobody reads.
func checkFull(rows []collect.Queue, now time.Time) (findings []finding) {
	for _, r := range rows {
		if r.Fill() < 0.95 {
			continue
		}
		if r.LastReceive != nil && now.Sub(*r.LastReceive) < unreadAfter || r.Kind == collect.Posix && now.Sub(r.Changed) < unreadAfter {
			continue
		}
		senders := 0
		for _, w := range r.Waiting {
			if !w.Receives {
				senders++
			}
		}
		text := fmt.Sprintf("%s is full (%s) and nobody reads it", r.Address, plural(int(r.Messages), "message"))
		if r.LastReceiver != nil {
			text += fmt.Sprintf(": last %s, %s ago", r.LastReceiver, since(now, r.LastReceive))
		}
		if senders > 0 {
			text += fmt.Sprintf("; %s for room", plural(senders, "sender")+" waiting")
		}
		findings = append(findings, wrong(fmt.Sprintf("start its reader, or look at it (ipcmq stat %s), save and empty it: ipcmq drain %s --to FILE", r.Where.Shell(), r.Where.Shell()), "%s", text))
	}
	if len(findings) == 0 {
		findings = append(findings, ok("no queue is full and unread"))
	}
	return findings
}

// firstUserID is the first id of ordinary users, whose queues systemd removes.
const firstUserID = 1000

func checkRemoveIPC(root fs.FS, uid int) finding {
	if _, err := fs.Stat(root, "run/systemd/system"); err != nil {
		return ok("systemd does not run here: queues stay at logout")
	}
	on, where := removeIPC(root)
	switch {
	case !on:
		return ok("queues stay at logout: RemoveIPC=no (%s)", where)
	case uid < firstUserID:
		return note("set RemoveIPC=no in logind.conf(5) if ordinary users own queues that must stay",
			"systemd removes the queues of ordinary users when they log out (%s), not those of this user, %d", where, uid)
	}
	return wrong("RemoveIPC=no in a file in /etc/systemd/logind.conf.d, or run the programs as a system user, or loginctl enable-linger",
		"systemd removes the queues of this user, %d, at the last logout (%s)", uid, where)
}

func checkNamespaces(proc fs.FS) (findings []finding) {
	mine, err := fs.ReadLink(proc, "self/ns/ipc")
	if err != nil {
		return []finding{note("", "the IPC namespace is not known: %v", err)}
	}
	if mine != initialNamespace {
		findings = append(findings, note("docker run --ipc=host or --ipc=container:NAME, or nsenter --ipc --target PID ipcmq ls",
			"this is a separate IPC namespace, %s, as in a container: the queues of the host are not seen here", mine))
	}
	var others []string // a process of each other namespace
	seen := map[string]bool{mine: true}
	first := ""
	processes, _ := fs.ReadDir(proc, ".")
	for _, p := range processes {
		if line, err := fs.ReadFile(proc, p.Name()+"/cmdline"); err != nil || len(line) == 0 {
			continue // not a process, or a kernel thread
		}
		namespace, err := fs.ReadLink(proc, p.Name()+"/ns/ipc")
		if err != nil || seen[namespace] {
			continue
		}
		seen[namespace] = true
		comm, _ := fs.ReadFile(proc, p.Name()+"/comm") // it may have ended
		if others = append(others, p.Name()+" "+strings.TrimSpace(string(comm))); first == "" {
			first = p.Name()
		}
	}
	if n := len(others); n > 0 {
		others = others[:min(n, 3)]
		findings = append(findings, note(fmt.Sprintf("nsenter --ipc --target %s ipcmq ls", first),
			"processes run in %s, whose queues cannot be seen from here: %s%s", plural(n, "other IPC namespace"),
			strings.Join(others, ", "), map[bool]string{true: " ..."}[n > len(others)]))
	}
	if len(findings) == 0 {
		findings = append(findings, ok("all processes that this user can see share the IPC namespace of the host"))
	}
	return findings
}
