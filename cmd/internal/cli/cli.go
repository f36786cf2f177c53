// Package cli is the command line of ipcmq. Each command has a file of its own.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// grace is how long a command may take to end by itself after a signal.
const grace = 10 * time.Second

// extraGrace is how much longer than grace the command may take.
var extraGrace atomic.Int64

// graceAtEnd gives the command d to finish its current work after a signal.
func graceAtEnd(d time.Duration) { extraGrace.Store(int64(max(0, d-grace/2))) }

// Main runs the command with args, without the program name, and returns the exit
// status. SIGINT, SIGTERM and SIGHUP cancel it.
func Main(args []string) int {
	// With a handler, writing to a closed pipe fails instead of killing the
	// process, and unlike an ignored signal it is not passed on to children.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), endingSignals()...)
	defer stop()
	context.AfterFunc(ctx, func() {
		time.AfterFunc(grace+time.Duration(extraGrace.Load()), func() { os.Exit(statusFailed) }) // it hangs in something that cannot be canceled
	})

	root := newRoot()
	refuseUnknown(root)
	running := false
	for _, c := range root.Commands() {
		prepare(c, &running)
	}
	root.SetArgs(protectNegatives(root, args))
	c, err := root.ExecuteContextC(ctx)
	if err != nil && !running {
		name := ""
		if n, _ := fmt.Sscanf(err.Error(), "unknown command %q", &name); n == 1 {
			err = unknownCommand(c, name)
		}
		err = usageError{err} // cobra's own errors are about the command line
	}
	if status(err) == statusUsage {
		err = fmt.Errorf("%w (see %s --help)", err, c.CommandPath())
	}
	return report(err)
}

// endingSignals returns the signals that end the command. In the background of a
// script a shell ignores SIGINT, and nohup(1) ignores SIGHUP; they stay ignored.
func endingSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGTERM}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signals = append(signals, s)
		}
	}
	return signals
}

// prepare makes c set running when it runs, and see its arguments as they were given.
func prepare(c *cobra.Command, running *bool) {
	run := c.RunE
	if run == nil {
		return // completion
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			var usage usageError
			if err != nil && !errors.As(err, &usage) {
				err = usagef("usage: %s", c.UseLine())
			}
			return err
		}
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		*running = true
		for i := range args {
			args[i] = unprotect(args[i])
		}
		return run(c, args)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ipcmq",
		Short: "See, send, receive, watch and diagnose kernel message queues",
		Long: `ipcmq works with the message queues of the kernel, System V and POSIX, and with the
queues that package mq/jetstream keeps on NATS servers.

An address names a queue:
  42, 0x2a, -42    the key of a System V queue
  id:7             the id of a System V queue, as ls and ipcs show it
  ftok:PATH,A      the key that ftok(3) makes from a file and a character, or from a
                   number up to 255: digits are a number, so C's '5' is 53
  /jobs            the name of a POSIX queue
  name:/a%0Ab      such a name with %0A for a byte: the command writes names with
                   blanks, control characters or bytes that are not UTF-8 in this form
                   js:orders        a queue on NATS JetStream, for ls, stat, create, set, rm, send, recv,
                   peek, work and requeue

` + accountHelp + `

Exit status: 0 success, 1 failure, 2 wrong usage, 3 no message, or no room, in time.`,
		Example: `  ipcmq create 42
  ipcmq send 42 "hello"
  ipcmq recv 42
  ipcmq top`,
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddGroup(
		&cobra.Group{ID: "queues", Title: "Queues:"},
		&cobra.Group{ID: "messages", Title: "Messages:"},
		&cobra.Group{ID: "system", Title: "The system:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			c.Flags().SortFlags = false
			c.DisableFlagsInUseLine = true
		}
		root.AddCommand(commands...)
	}
	add("queues", lsCommand(), statCommand(), createCommand(), setCommand(), rmCommand())
	add("messages", sendCommand(), recvCommand(), peekCommand(), requestCommand(), serveCommand(),
		workCommand(), requeueCommand(), drainCommand(), loadCommand())
	add("system", topCommand(), webCommand(), exportCommand(), limitsCommand(), doctorCommand(), benchCommand())
	root.AddCommand(manCommand(), versionCommand(), benchPeerCommand())
	return root
}

// oneOf is a flag that takes one of a list of values.
type oneOf struct {
	value  string
	values []string
}

func (o *oneOf) String() string { return o.value }
func (o *oneOf) Type() string   { return "string" }
func (o *oneOf) Set(s string) error {
	for _, v := range o.values {
		if s == v {
			o.value = s
			return nil
		}
	}
	return fmt.Errorf("it must be one of %v", o.values)
}

// choiceFlag adds a flag that takes one of the values.
func choiceFlag(c *cobra.Command, name, value, usage string, values ...string) *oneOf {
	o := &oneOf{value, values}
	c.Flags().Var(o, name, usage)
	// The flag exists, so this cannot fail.
	_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	return o
}
