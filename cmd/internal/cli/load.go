package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ipcmq/mq"
)

func loadCommand() *cobra.Command {
	from := ""
	var create, incomplete bool
	skip := 0
	c := &cobra.Command{
		Use:   "load ADDR --from FILE [flags]",
		Short: "Put the messages of a file into a queue",
		Long: `Load sends the messages of a file that drain has written, in order, with their
types or priorities. Before it sends anything it reads the whole file, and refuses
it if a line is malformed or a message does not fit into the queue.

Load waits while there is no room; --timeout applies to each message. If a message
cannot be sent, load reports how many were sent; --skip skips them the next time.

With --from - it reads standard input. Input from a pipe is copied to a temporary
file first.

` + fileHelp,
		Example: `  ipcmq load 42 --from messages.jsonl
  ipcmq load /jobs --from messages.jsonl --create --timeout 5s
  ssh otherhost cat messages.jsonl | ipcmq load 42 --from -`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeAddress,
	}
	c.Flags().StringVar(&from, "from", "", "the file to read, or - for standard input")
	_ = c.MarkFlagRequired("from")
	p := addWaitFlags(c, "for room")
	c.Flags().IntVar(&skip, "skip", 0, "skip this many messages")
	c.Flags().BoolVar(&incomplete, "incomplete", false, "load a file that lacks its last line, as far as it goes")
	c.Flags().BoolVar(&create, "create", false, "create the queue, with mode 0600, if it does not exist")
	c.RunE = func(c *cobra.Command, args []string) error {
		if skip < 0 {
			return usagef("--skip %d: it must be 0 or more", skip)
		}
		f, err := openMessages(c.Context(), from)
		if err != nil {
			return err
		}
		defer f.Close()
		// Errors in the file are found before a queue is created.
		if _, err := readMessages(f, incomplete, func(int, mq.Message, int) error { return nil }); err != nil {
			return fmt.Errorf("%s: %w (nothing was sent)", from, err)
		}
		q, err := openArg(args[0], mq.WriteOnly, create)
		if err != nil {
			return err
		}
		defer q.Close()
		return load(c.Context(), q, f, from, incomplete, skip, p)
	}
	return c
}

// openMessages opens a file of messages, to be read several times: a copy if it
// is a pipe.
func openMessages(ctx context.Context, name string) (*os.File, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return nil, err
		}
	}
	if _, err := f.Seek(0, io.SeekCurrent); err == nil {
		return f, nil
	}
	defer f.Close()
	kept, err := os.CreateTemp("", "ipcmq-load-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(kept.Name()); err != nil {
		kept.Close()
		return nil, err
	}
	if _, err := io.Copy(kept, interruptible(ctx, f)); err != nil {
		kept.Close()
		return nil, fmt.Errorf("read %s: %w (nothing was sent)", name, err)
	}
	_, err = kept.Seek(0, io.SeekStart)
	return kept, err
}

func load(ctx context.Context, q mq.Queue, f *os.File, name string, incomplete bool, skip int, p *waitFlags) error {
	can := q.Capabilities()
	total, err := rereadMessages(f, incomplete, func(n int, m mq.Message, _ int) error {
		switch {
		case n <= skip:
		case can.MaxType > 0 && m.Type == 0:
			return fmt.Errorf("message %d has a priority and no type: it is from a POSIX queue", n)
		case can.MaxType == 0 && m.Type != 0:
			return fmt.Errorf("message %d has a type and no priority: it is from a System V queue", n)
		case m.Type < 0 || m.Type > can.MaxType:
			return fmt.Errorf("message %d has the type %d, which is outside 1 to %d", n, m.Type, can.MaxType)
		case m.Priority > can.MaxPriority:
			return fmt.Errorf("message %d has the priority %d, and the highest is %d", n, m.Priority, can.MaxPriority)
		case len(m.Data) > can.MaxPayload:
			return fmt.Errorf("message %d has %d bytes and the queue takes up to %d (see ipcmq limits, ipcmq stat)", n, len(m.Data), can.MaxPayload)
		}
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("%s: %w (nothing was sent)", name, err)
	}
	bar := startProgress(f, "messages loaded")
	defer bar.finish()
	sent := 0
	_, err = rereadMessages(f, incomplete, func(n int, m mq.Message, size int) error {
		if n > skip {
			if err := p.send(ctx, q, m); err != nil {
				return err
			}
			sent++
		}
		bar.add(1, size)
		return nil
	})
	bar.finish()
	if err != nil {
		return fmt.Errorf("%s: message %d of %d: %w (%d were sent; --skip %d loads the rest)", name, skip+sent+1, total, err, sent, skip+sent)
	}
	logLine("%s loaded from %s", plural(sent, "message"), name)
	return nil
}

// rereadMessages reads the file from its beginning.
func rereadMessages(f *os.File, incomplete bool, each func(int, mq.Message, int) error) (int, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return readMessages(f, incomplete, each)
}
