package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/internal/sys"
	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

func serveCommand() *cobra.Command {
	var create bool
	var concurrency int
	c := &cobra.Command{
		Use:   "serve ADDR TYPE [flags] -- COMMAND [ARG...]",
		Short: "Answer requests with a command",
		Long: `Serve answers the requests of TYPE in a queue (on POSIX queues TYPE is 0). For each
it runs COMMAND, with the request as its standard input; what that writes to
standard output is the reply. If COMMAND fails the client gets an error with its
status and its last line of standard error.

COMMAND has a process group of its own. It is killed, with the children that it has
left there, when the deadline of its request passes, and a ^C at the terminal does
not reach it. SIGINT, SIGTERM and SIGHUP end serve: it takes no more requests, and
gives those it has 5 seconds.`,
		Example: `  ipcmq serve 42 7 -- tr a-z A-Z
  ipcmq serve /rpc 0 --create --concurrency 1 -- jq .name`,
		Args: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 2 || len(args) < 3 {
				return usagef("serve wants ADDR TYPE -- COMMAND [ARG...]")
			}
			return nil
		},
		ValidArgsFunction: completeAddress,
	}
	c.Flags().BoolVar(&create, "create", false, "create the queue, with mode 0600, if there is none")
	c.Flags().IntVar(&concurrency, "concurrency", rpc.DefaultConcurrency, "how many commands may run at once")
	c.RunE = func(c *cobra.Command, args []string) error {
		if concurrency < 1 {
			return usagef("--concurrency %d: it is 1 or more", concurrency)
		}
		t, err := parseType(args[1])
		if err != nil {
			return err
		}
		command, err := exec.LookPath(args[2])
		if err != nil {
			return usageError{err}
		}
		q, err := openArg(args[0], mq.ReadOnly, create)
		if err != nil {
			return err
		}
		defer q.Close()
		if err := checkType(q, t); err != nil {
			return err
		}
		return rpc.Handle(c.Context(), q, t, answerer(command, args[3:]),
			&rpc.Config{Concurrency: concurrency, Drain: grace / 2, OnError: tellError})
	}
	return c
}

// answerer returns a handler that runs a command.
func answerer(command string, args []string) rpc.Handler {
	return func(ctx context.Context, request []byte) ([]byte, error) {
		cmd := exec.CommandContext(ctx, command, args...)
		cmd.WaitDelay = time.Second // for children of the command that keep its output open
		cmd.SysProcAttr = sys.OwnGroup()
		cmd.Cancel = func() error { return sys.KillGroup(cmd.Process.Pid) }
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), &stdout, &stderr
		err := cmd.Run()
		if ctx.Err() != nil || errors.Is(err, exec.ErrWaitDelay) {
			_ = sys.KillGroup(cmd.Process.Pid) // its children; they have most likely ended
		}
		_ = writeData(os.Stderr, stderr.Bytes())
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			text := fmt.Sprintf("%s: %v", command, exit)
			if last := lastLine(stderr.String()); last != "" {
				text += ": " + last
			}
			return nil, errors.New(text)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", command, err)
		}
		return stdout.Bytes(), nil
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	s = s[strings.LastIndexByte(s, '\n')+1:]
	return s[:min(len(s), 500)]
}

func tellError(m mq.Message, reason error) {
	tell("ipcmq: discarded a message of %d bytes: %v", len(m.Data), reason)
}
