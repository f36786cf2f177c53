package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/internal/visible"
	"ipcmq/mq"
	"ipcmq/mq/follow"
	"ipcmq/mq/large"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// parseAddress parses the address of a kernel queue.
func parseAddress(s string) (address.Address, error) {
	a, err := address.Parse(s)
	if err != nil && strings.HasPrefix(s, jetstreamPrefix) {
		err = fmt.Errorf("%s: this command takes kernel queues only; ls, stat, create, set, rm, send, recv, peek, work and requeue also take queues on JetStream", s)
	}
	if err != nil {
		err = usageError{err}
	}
	return a, err
}

// open opens the queue at a, and creates it if create is set and it does not exist.
// Servers in every language can answer requests through it.
func open(a address.Address, access mq.Access, create bool) (mq.Exchange, error) {
	switch {
	case a.Kind == address.Name:
		return exchangeOrNil(posix.Open(a.Name, &posix.Config{Access: access, OpenOnly: !create}))
	case a.Kind == address.ID && create:
		return nil, usagef("%v: a queue cannot be created with an id", a)
	case a.Kind == address.ID:
		return exchangeOrNil(sysv.OpenID(a.ID, &sysv.Config{Access: access, InboxKeys: true}))
	}
	return exchangeOrNil(sysv.Open(a.Key, &sysv.Config{Access: access, OpenOnly: !create, InboxKeys: true}))
}

// exchangeOrNil keeps a nil pointer from becoming a non-nil interface.
func exchangeOrNil[Q mq.Exchange](q Q, err error) (mq.Exchange, error) {
	if err != nil {
		return nil, err
	}
	return q, nil
}

// openArg opens the queue that an argument names.
func openArg(arg string, access mq.Access, create bool) (mq.Exchange, error) {
	a, err := parseAddress(arg)
	if err != nil {
		return nil, err
	}
	return open(a, access, create)
}

// openAgain opens q a second time with another access.
func openAgain(q mq.Queue, access mq.Access) (mq.Exchange, error) {
	switch q := q.(type) {
	case *large.Queue:
		w, err := openAgain(q.Unwrap(), access)
		return largeFlag(true).wrap(w, err)
	case *follow.Queue:
		return openAgain(q.Current(), access)
	case *remoteQueue:
		return q.servers.openAny(context.Background(), q.address, access, false)
	case *sysv.Queue:
		return open(address.OfID(q.ID()), access, false)
	case *posix.Queue:
		if err := q.Check(); err != nil {
			return nil, err
		}
		return open(address.OfName(q.Name()), access, false)
	}
	return nil, fmt.Errorf("%v cannot be opened again", q)
}

// hasTypes reports whether messages of q have types; otherwise they have
// priorities.
func hasTypes(q mq.Queue) bool { return q.Capabilities().MaxType > 0 }

// completeAddress offers the addresses of all queues for the first argument.
func completeAddress(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeAddresses(c, nil, "")
}

// completeAddresses offers the addresses of all queues for every argument.
func completeAddresses(*cobra.Command, []string, string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, r := range collect.List().Queues {
		found = append(found, cobra.CompletionWithDesc(r.Where.Shell(), visible.Line(fmt.Sprintf("%s messages, %s", known(r.Messages), r.Owner))))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
