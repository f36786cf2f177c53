package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ipcmq/internal/address"
	"ipcmq/mq"
)

func sendCommand() *cobra.Command {
	var kind kindFlags
	var create bool
	var large largeFlag
	var options mq.SendOptions
	c := &cobra.Command{
		Use:   "send ADDR [MESSAGE] [flags]",
		Short: "Put a message, or a stream of lines, into a queue",
		Long: `Send puts MESSAGE into a queue, or its standard input: all of it as one message
(--stdin whole), or each line, without its newline, as a message (--stdin lines). If a
line cannot be sent, send reports which and why; the lines before it are in the queue
and the lines after it are not.

Send waits while there is no room; --timeout applies to each message.

` + largeHelp + `

` + jetstreamHelp + `
Within two minutes, or the time that the queue has set, it stores a message with the
same --id only once: sending it again succeeds without effect.`,
		Example: `  ipcmq send 42 "hello"
  ipcmq send /jobs --priority 9 "at once"
  ipcmq send 0x2a --type 7 --stdin whole --large < picture.png
  tail -f app.log | ipcmq send 42 --create --stdin lines
  ipcmq send js:orders --server nats://10.0.0.5:4222 "hello"
  ipcmq send js:orders --id order-17 --ttl 1h "hello"`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeAnyAddress,
	}
	kind.add(c)
	large.add(c)
	p := addWaitFlags(c, "for room")
	c.Flags().BoolVar(&create, "create", false, "create the queue if it does not exist, as ipcmq create does")
	stdin := choiceFlag(c, "stdin", "", "read standard input: whole, as one message, or lines, each as a message", "whole", "lines")
	c.Flags().StringVar(&options.ID, "id", "", "id of the message, which is stored only once (JetStream)")
	c.Flags().DurationVar(&options.TTL, "ttl", 0, "remove the message after this time, in full seconds (JetStream)")
	for _, name := range []string{"id", "ttl"} {
		c.MarkFlagsMutuallyExclusive(name, "no-wait")
	}
	servers := serverFlag(c)
	c.RunE = servers.at(func(c *cobra.Command, args []string) error {
		if (len(args) == 2) == (stdin.value != "") {
			return usagef("give either MESSAGE or --stdin whole or --stdin lines")
		}
		if options.ID != "" && stdin.value == "lines" {
			return usagef("--id identifies one message, and --stdin lines sends many")
		}
		a, err := servers.parse(args[0])
		if err != nil {
			return err
		}
		for _, name := range []string{"id", "ttl"} {
			if c.Flags().Changed(name) && a.Kind != address.JetStream {
				return usagef("--%s is for queues on JetStream, such as js:orders; %v is a kernel queue", name, a)
			}
		}
		q, err := large.wrap(servers.openAny(c.Context(), a, mq.WriteOnly, create))
		if err != nil {
			return err
		}
		defer q.Close()
		m, err := kind.message(c, q)
		if err != nil {
			return err
		}
		ctx := c.Context()
		var to mq.Sender = q
		if options != (mq.SendOptions{}) {
			to = optionSender{q, options}
		}
		switch stdin.value {
		case "lines":
			return sendLines(ctx, to, m, p, interruptible(ctx, os.Stdin))
		case "whole":
			if m.Data, err = io.ReadAll(interruptible(ctx, os.Stdin)); err != nil {
				return fmt.Errorf("read standard input: %w", err)
			}
		default:
			m.Data = []byte(args[1])
		}
		return p.send(ctx, to, m)
	})
	return c
}

// An optionSender sends with options, which may require waiting.
type optionSender struct {
	mq.Queue
	options mq.SendOptions
}

func (s optionSender) Send(ctx context.Context, m mq.Message) error {
	return mq.SendWith(ctx, s.Queue, m, s.options)
}

// TrySend sends nothing; Send must be used.
func (s optionSender) TrySend(mq.Message) error { return mq.ErrFull }

// kindFlags are the type and the priority of messages to send.
type kindFlags struct {
	typ      int64
	priority uint32
}

func (k *kindFlags) add(c *cobra.Command) {
	c.Flags().Int64Var(&k.typ, "type", 1, "type of the message, 1 or more (System V, JetStream)")
	c.Flags().Uint32Var(&k.priority, "priority", 0, "priority of the message, 0 to 32767, the highest is received first (POSIX)")
	c.MarkFlagsMutuallyExclusive("type", "priority")
}

// message returns an empty message for q.
func (k *kindFlags) message(c *cobra.Command, q mq.Queue) (mq.Message, error) {
	where := "System V queues"
	if _, ok := q.(*remoteQueue); ok {
		where = "queues on JetStream"
	}
	switch types := hasTypes(q); {
	case types && c.Flags().Changed("priority"):
		return mq.Message{}, usagef("messages of %s have no priority; they have a --type", where)
	case !types && c.Flags().Changed("type"):
		return mq.Message{}, usagef("messages of POSIX queues have no type; they have a --priority")
	case types:
		return mq.Message{Type: k.typ}, nil
	}
	return mq.Message{Priority: k.priority}, nil
}

// longestLine limits how much of a line is kept; no queue takes as much.
const longestLine = 64 << 20

// sendLines sends the lines of in, until the first that fails.
func sendLines(ctx context.Context, to mq.Sender, m mq.Message, p *waitFlags, in io.Reader) error {
	lines := bufio.NewReaderSize(in, 64<<10)
	bar := startProgress(os.Stdin, "lines sent")
	defer bar.finish()
	for n := 1; ; n++ {
		var err error
		m.Data, err = readLine(lines, m.Data[:0])
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = p.send(ctx, to, m)
		}
		if err != nil {
			bar.finish()
			return fmt.Errorf("line %d: %w (%s)", n, err, sentBefore(n-1, "line"))
		}
		bar.add(1, len(m.Data)+1)
	}
}

// sentBefore describes how many lines or messages were sent before an error.
func sentBefore(n int, what string) string {
	switch n {
	case 0:
		return "nothing was sent"
	case 1:
		return "the " + what + " before it was sent, nothing after it"
	}
	return fmt.Sprintf("the %d %ss before it were sent, nothing after it", n, what)
}

// readLine appends the next line without its newline to b. It returns io.EOF
// if there is none.
func readLine(r *bufio.Reader, b []byte) ([]byte, error) {
	begun := false
	for {
		part, err := r.ReadSlice('\n')
		begun = begun || len(part) > 0
		b = append(b, part...)
		switch {
		case err == nil:
			return b[:len(b)-1], nil
		case errors.Is(err, bufio.ErrBufferFull) && len(b) > longestLine:
			return b, fmt.Errorf("longer than %d bytes", longestLine)
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && begun:
			return b, nil
		case err == io.EOF:
			return b, err
		default:
			return b, fmt.Errorf("read standard input: %w", err)
		}
	}
}

// interruptible returns a reader of in whose pending reads fail when ctx ends. It
// reads ahead.
func interruptible(ctx context.Context, in io.Reader) io.Reader {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{in}, make([]byte, 64<<10))
		w.CloseWithError(err)
	}()
	return r
}
