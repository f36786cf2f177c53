package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ipcmq/mq"
)

func drainCommand() *cobra.Command {
	to := ""
	c := &cobra.Command{
		Use:   "drain ADDR --to FILE",
		Short: "Move all messages of a queue into a file",
		Long: `Drain takes the waiting messages out of a queue and writes them to a new file, with
their types or priorities, until the queue is empty. Load puts them back.

Each message is written before the next is taken, so if drain is killed at most one
message is lost, and the file lacks its last line: load --incomplete still accepts
it. SIGINT, SIGTERM and SIGHUP stop drain and complete the file. If a write fails, the
message just taken goes back, to the end of the queue. When drain has ended with
status 0 the file is on disk; a system crash before that can lose messages not yet on
disk, just as it loses queues.

` + fileHelp,
		Example: `  ipcmq drain 42 --to messages.jsonl
  ipcmq load 43 --from messages.jsonl`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAddress,
	}
	c.Flags().StringVar(&to, "to", "", "the file to write, which must not exist")
	_ = c.MarkFlagRequired("to")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		a, err := parseAddress(args[0])
		if err != nil {
			return err
		}
		q, err := open(a, mq.ReadOnly, false)
		if err != nil {
			return err
		}
		defer q.Close()
		file, err := createMessageFile(to, a.String())
		if err != nil {
			return err
		}
		bar := startProgress(nil, "messages drained")
		for c.Context().Err() == nil {
			var m mq.Message
			if m, err = q.TryReceive(); err != nil {
				break
			}
			if err = file.add(m); err != nil {
				err = fmt.Errorf("%w; %s", err, putBack(q, m))
				break
			}
			bar.add(1, 0)
		}
		bar.finish()
		if errors.Is(err, mq.ErrEmpty) {
			err = nil
		}
		if e := file.close(); e != nil && err == nil {
			err = e
		}
		if err == nil && c.Context().Err() != nil {
			err = errors.New("interrupted: the file is complete, and the rest is in the queue")
		}
		logLine("%s in %s", plural(file.count, "message"), to)
		return err
	}
	return c
}
