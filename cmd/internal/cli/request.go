package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

func requestCommand() *cobra.Command {
	var create bool
	var large largeFlag
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "request ADDR TYPE [MESSAGE] [flags]",
		Short: "Send a request and write the reply",
		Long: `Request sends MESSAGE, or its standard input, as a request of TYPE (on POSIX queues
TYPE is 0), and writes the reply as it is; on a terminal, control characters are
escaped. The server is ipcmq serve, or any program that speaks the protocol of package
ipcmq/mux/rpc. It may start later: the request waits in the queue.

If the server answers with an error, it goes to standard error and the status is 1.
Status 3 leaves open whether the request was handled.

` + largeHelp,
		Example: `  ipcmq request 42 7 "what time is it?"
  ipcmq request /rpc 0 < question.json`,
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: completeAddress,
	}
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for the reply")
	large.add(c)
	c.Flags().BoolVar(&create, "create", false, "create the queue, with mode 0600, if it does not exist")
	c.RunE = func(c *cobra.Command, args []string) error {
		if timeout <= 0 {
			return usagef("--timeout %v: it must be more than 0", timeout)
		}
		t, err := parseType(args[1])
		if err != nil {
			return err
		}
		q, err := large.wrap(openArg(args[0], mq.WriteOnly, create))
		if err != nil {
			return err
		}
		defer q.Close()
		if err := checkType(q, t); err != nil {
			return err
		}
		var data []byte
		if len(args) == 3 {
			data = []byte(args[2])
		} else if data, err = io.ReadAll(interruptible(c.Context(), os.Stdin)); err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		client, err := rpc.NewClient(q, nil)
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(c.Context(), timeout)
		defer cancel()
		reply, err := client.Request(ctx, t, data)
		var remote *rpc.RemoteError
		if errors.As(err, &remote) {
			return fmt.Errorf("the server answered with an error, %v: %s", remote.Code, remote.Text)
		}
		if err != nil {
			return err
		}
		if err := writeData(os.Stdout, reply); err != nil {
			return fmt.Errorf("write standard output: %w; the reply of %d bytes is lost", err, len(reply))
		}
		return nil
	}
	return c
}

func parseType(s string) (int64, error) {
	t, err := strconv.ParseInt(s, 10, 64)
	if err != nil || t < 0 {
		return 0, usagef("type %q: it must be a number, 1 or more for System V queues and 0 for POSIX queues", s)
	}
	return t, nil
}

// checkType returns nil if requests of type t can travel in q.
func checkType(q mq.Queue, t int64) error {
	switch types := hasTypes(q); {
	case types && t == 0:
		return usagef("type 0: requests in a System V queue have a type of 1 or more")
	case !types && t != 0:
		return usagef("type %d: messages of POSIX queues have no type; use 0", t)
	}
	return nil
}
