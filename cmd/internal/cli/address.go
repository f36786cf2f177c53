package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// An address names a queue on the command line: by name if it is POSIX, by id
// if byID is set, else by key.
type address struct {
	name string
	byID bool
	id   int
	key  sysv.Key
}

func (a address) posix() bool { return a.name != "" }

func (a address) String() string {
	switch {
	case a.posix():
		return a.name
	case a.byID:
		return fmt.Sprintf("id:%d", a.id)
	}
	return a.key.String()
}

func parseAddress(s string) (address, error) {
	a, err := readAddress(s)
	if err != nil {
		return a, usageError{err}
	}
	return a, nil
}

func readAddress(s string) (address, error) {
	if strings.HasPrefix(s, "/") {
		return address{name: s}, nil
	}
	if id, ok := strings.CutPrefix(s, "id:"); ok {
		n, err := strconv.ParseInt(id, 10, 32)
		if err != nil || n < 0 {
			return address{}, fmt.Errorf("address %q: the id is a number such as id:7", s)
		}
		return address{byID: true, id: int(n)}, nil
	}
	if file, ok := strings.CutPrefix(s, "ftok:"); ok {
		i := strings.LastIndexByte(file, ',')
		if i < 1 {
			return address{}, fmt.Errorf("address %q: it is ftok:PATH,A with a character or a number", s)
		}
		proj, err := readProject(file[i+1:])
		if err != nil {
			return address{}, fmt.Errorf("address %q: %w", s, err)
		}
		key, err := sysv.Ftok(file[:i], proj)
		return address{key: key}, err
	}
	key, err := sysv.ParseKey(s)
	if err != nil {
		return address{}, fmt.Errorf("address %q: it is a key (42, 0x2a, -42), id:7, ftok:PATH,A or /name", s)
	}
	return address{key: key}, nil
}

// readProject reads the project of ftok(3): one character other than a digit
// stands for its code, as in C.
func readProject(s string) (byte, error) {
	if len(s) == 1 && (s[0] < '0' || s[0] > '9') {
		return s[0], nil
	}
	n, err := strconv.ParseUint(s, 0, 8)
	if err != nil {
		return 0, fmt.Errorf("the project %q is a character or a number up to 255", s)
	}
	return byte(n), nil
}

// open opens the queue, and makes it if create is set and there is none.
func (a address) open(access mq.Access, create bool) (mq.Exchange, error) {
	switch {
	case a.posix():
		return as(posix.Open(a.name, &posix.Config{Access: access, OpenOnly: !create}))
	case a.byID && create:
		return nil, usagef("%v: a queue cannot be created with an id", a)
	case a.byID:
		return as(sysv.OpenID(a.id, &sysv.Config{Access: access}))
	}
	return as(sysv.Open(a.key, &sysv.Config{Access: access, OpenOnly: !create}))
}

// as keeps a nil pointer from becoming an interface that is not nil.
func as[Q mq.Exchange](q Q, err error) (mq.Exchange, error) {
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
	return a.open(access, create)
}

// again opens q a second time with another access.
func again(q mq.Queue, access mq.Access) (mq.Exchange, error) {
	switch q := q.(type) {
	case *sysv.Queue:
		return address{byID: true, id: q.ID()}.open(access, false)
	case *posix.Queue:
		if err := q.Check(); err != nil {
			return nil, err
		}
		return address{name: q.Name()}.open(access, false)
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
	rows, _ := listQueues()
	for _, r := range rows {
		found = append(found, cobra.CompletionWithDesc(r.Address, fmt.Sprintf("%d messages, %s", r.Messages, r.Owner)))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
