package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/internal/visible"
	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func rmCommand() *cobra.Command {
	var mine, empty, yes, inboxes, pools, payloads bool
	c := &cobra.Command{
		Use:   "rm ADDR... | --mine --empty | --dead-inboxes | --orphaned-pools | --orphaned-payloads [flags]",
		Short: "Remove queues and their messages",
		Long: `Rm removes the named queues with their messages, including lent ones: calls that wait
at a System V queue fail, and a POSIX queue lives on for processes that have it open.

` + jetstreamHelp + `

Without an address it lists the queues that --mine and --empty select (if both are
given, those that match both), and asks before it removes them. If standard input is
not a terminal it cannot ask, and requires --yes.

Inboxes, which receive the replies to a client's requests, are not selected, since
their clients may still be running. --dead-inboxes removes inboxes, of both kinds, whose
process has certainly ended without removing them; it does not ask. --orphaned-pools
does not ask either: it removes shared memory with lent messages of queues that are
gone, removed by programs that do not know of it, such as ipcrm; nobody can get these
messages any more. --orphaned-payloads frees the memory of large payloads (send --large)
of such queues, whose senders have ended.`,
		Example: `  ipcmq rm 42 id:7 /jobs
  ipcmq rm js:orders --server nats://10.0.0.5:4222
  ipcmq rm --mine --empty
  ipcmq rm --dead-inboxes
  ipcmq rm --orphaned-pools
  ipcmq rm --orphaned-payloads`,
		ValidArgsFunction: completeAnyAddresses,
		Args: func(_ *cobra.Command, args []string) error {
			selects := mine || empty || len(args) > 0
			switch {
			case inboxes && (selects || pools || payloads):
				return usagef("--dead-inboxes cannot be combined with addresses or other selections")
			case pools && (selects || payloads):
				return usagef("--orphaned-pools cannot be combined with addresses or other selections")
			case payloads && selects:
				return usagef("--orphaned-payloads cannot be combined with addresses, --mine or --empty")
			case inboxes, pools, payloads:
			case len(args) == 0 && !mine && !empty:
				return usagef("name the queues to remove, or select them with --mine, --empty, --dead-inboxes, --orphaned-pools or --orphaned-payloads")
			case len(args) > 0 && (mine || empty):
				return usagef("addresses cannot be combined with --mine and --empty")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&mine, "mine", false, "queues that this user owns")
	c.Flags().BoolVar(&empty, "empty", false, "queues without messages, waiting or lent")
	c.Flags().BoolVar(&inboxes, "dead-inboxes", false, "inboxes of processes that have ended")
	c.Flags().BoolVar(&pools, "orphaned-pools", false, "leases of queues that are gone")
	c.Flags().BoolVar(&payloads, "orphaned-payloads", false, "large payloads of queues that are gone")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	servers := serverFlag(c)
	c.RunE = servers.at(func(c *cobra.Command, args []string) error {
		if err := servers.isFor(args...); err != nil {
			return err
		}
		switch {
		case inboxes:
			return removeDeadInboxes()
		case pools:
			return removeOrphanedPools()
		case payloads:
			return removeOrphanedPayloads()
		case len(args) > 0:
			return servers.removeAll(c.Context(), args)
		}
		return removeSelected(c.Context(), mine, empty, yes)
	})
	return c
}

// removeAll removes as many of the queues as possible, but none if an address is
// malformed.
func (s *natsServers) removeAll(ctx context.Context, args []string) error {
	all := make([]address.Address, len(args))
	for i, arg := range args {
		var err error
		if all[i], err = s.parseOne(arg); err != nil {
			return err
		}
	}
	defer large.Collect() // large payloads whose senders have ended
	var result error
	for _, a := range all {
		var err error
		if a.Kind == address.JetStream {
			err = s.remove(ctx, a)
		} else {
			err = remove(a)
		}
		if err != nil {
			report(&remoteError{err, s})
			result = errReported
		}
	}
	return result
}

// remove removes the kernel queue at a.
func remove(a address.Address) error {
	if a.Kind == address.Name {
		return posix.Unlink(a.Name)
	}
	q, err := openSysv(a)
	if err != nil {
		return err
	}
	defer q.Close()
	return q.Remove()
}

// removeDeadInboxes removes dead inboxes of both kinds, or of one kind if the other is
// not available.
func removeDeadInboxes() error {
	ids, err := sysv.RemoveDeadInboxes()
	names, err2 := posix.RemoveDeadInboxes()
	failed := error(nil)
	for _, err := range []error{err, err2} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			report(err)
			failed = errReported
		}
	}
	for _, id := range ids {
		if err := printLine("%s", address.OfID(id)); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := printLine("%s", address.OfName(name)); err != nil {
			return err
		}
	}
	if err := printLine("removed %s", inboxes(len(ids)+len(names))); err != nil {
		return err
	}
	return failed
}

func inboxes(n int) string {
	if n == 1 {
		return "1 inbox of a dead process"
	}
	return amount(n) + " inboxes of dead processes"
}

func removeSelected(ctx context.Context, mine, empty, yes bool) error {
	all := collect.List()
	for _, err := range all.Problems() {
		report(err)
	}
	var rows []collect.Queue
	for _, r := range all.Queues {
		if !r.Inbox && (!mine || int(r.UID) == os.Geteuid()) && (!empty || isEmpty(r)) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return printLine("no such queues")
	}
	if err := write(os.Stdout, listing(rows, time.Now())); err != nil {
		return err
	}
	if !yes {
		if !isTerminal(os.Stdin) {
			return usagef("nothing was removed: standard input is not a terminal, so there is nobody to ask; --yes removes these queues")
		}
		ok, err := confirm(ctx, fmt.Sprintf("Remove %s? [y/N] ", plural(len(rows), "queue")))
		if err != nil {
			return err
		}
		if !ok {
			return printLine("nothing was removed")
		}
	}
	defer large.Collect()
	removed, kept := 0, error(nil)
	for _, r := range rows {
		switch err := removeRow(r, empty); {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, mq.ErrRemoved): // somebody else was faster
		case err != nil:
			report(err)
			kept = errReported
		default:
			removed++
		}
	}
	if err := printLine("removed %s", plural(removed, "queue")); err != nil {
		return err
	}
	return kept
}

// removeRow removes the queue that was listed, but not a new one with the same key,
// and with empty only if it is still empty.
func removeRow(r collect.Queue, empty bool) error {
	a := r.Where
	if r.ID != nil {
		a = address.OfID(*r.ID)
	}
	if empty {
		now, err := describe(a, -1)
		if err != nil {
			return err
		}
		if !isEmpty(now.Queue) {
			return fmt.Errorf("%s: kept, it has messages now", r.Address)
		}
	}
	return remove(a)
}

// isEmpty reports whether a queue certainly has no messages, neither in it nor lent.
func isEmpty(r collect.Queue) bool { return r.Messages == 0 && r.Leases.Messages() == 0 }

// confirm asks a question on the terminal. Any answer but yes means no.
func confirm(ctx context.Context, question string) (bool, error) {
	_ = write(os.Stdout, harmless(visible.Line(question))) // the user can answer even if this fails
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := readAnswer(os.Stdin)
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		_ = printLine("")
		return false, ctx.Err()
	case a := <-answers:
		if a.err != nil {
			_ = printLine("")
			return false, fmt.Errorf("read standard input: %w", a.err)
		}
		said := strings.ToLower(strings.TrimSpace(a.line))
		return said == "y" || said == "yes", nil
	}
}

// readAnswer reads a line and nothing after it, which is left to the next program.
func readAnswer(in io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < longestAnswer; {
		if _, err := io.ReadFull(in, b); err == io.EOF {
			break
		} else if err != nil {
			return "", err
		}
		if b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	return string(line), nil
}

// longestAnswer limits how much of an answer is kept.
const longestAnswer = 4096

// plural writes "1 queue" or "2 queues".
func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "x"): // inbox
		what += "e"
	}
	return amount(n) + " " + what + "s"
}
