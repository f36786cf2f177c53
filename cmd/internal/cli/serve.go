package cli

import (
	"bytes"
	"context"

	"github.com/spf13/cobra"

	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

func serveCommand() *cobra.Command {
	var create bool
	var large largeFlag
	var concurrency int
	c := &cobra.Command{
		Use:   "serve ADDR TYPE [flags] -- COMMAND [ARG...]",
		Short: "Answer requests with a command",
		Long: `Serve answers the requests of TYPE in a queue (on POSIX queues TYPE is 0). For each
it runs COMMAND, with the request as its standard input and the reply as its standard
output. If COMMAND fails the client gets an error with its status and its last line of
standard error.

COMMAND has a process group of its own. It is killed, with the children that it has
left there, when the deadline of its request passes. A ^C at the terminal does not
reach it, but if serve itself is killed, so is COMMAND. SIGINT, SIGTERM and SIGHUP end
serve: it takes no more requests, and gives running ones 5 seconds.

` + largeHelp,
		Example: `  ipcmq serve 42 7 -- tr a-z A-Z
  ipcmq serve /rpc 0 --create --concurrency 1 -- jq .name`,
		Args: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 2 || len(args) < 3 {
				return usagef("serve needs ADDR TYPE -- COMMAND [ARG...]")
			}
			return nil
		},
		ValidArgsFunction: completeAddress,
	}
	large.add(c)
	c.Flags().BoolVar(&create, "create", false, "create the queue, with mode 0600, if it does not exist")
	c.Flags().IntVar(&concurrency, "concurrency", rpc.DefaultConcurrency, "how many commands may run at once")
	c.RunE = func(c *cobra.Command, args []string) error {
		if concurrency < 1 {
			return usagef("--concurrency %d: it must be 1 or more", concurrency)
		}
		t, err := parseType(args[1])
		if err != nil {
			return err
		}
		p, err := findProgram(args[2:])
		if err != nil {
			return err
		}
		q, err := large.wrap(openArg(args[0], mq.ReadOnly, create))
		if err != nil {
			return err
		}
		defer q.Close()
		if err := checkType(q, t); err != nil {
			return err
		}
		return rpc.Handle(c.Context(), q, t, answerer(p),
			&rpc.Config{Concurrency: concurrency, Drain: grace / 2, OnError: logDiscarded})
	}
	return c
}

// answerer returns a handler that runs a program.
func answerer(p program) rpc.Handler {
	return func(ctx context.Context, request []byte) ([]byte, error) {
		var reply bytes.Buffer
		if _, err := p.run(ctx, request, nil, &reply); err != nil {
			return nil, err
		}
		return reply.Bytes(), nil
	}
}

func logDiscarded(m mq.Message, reason error) {
	logLine("ipcmq: discarded a message of %d bytes: %v", len(m.Data), reason)
}
