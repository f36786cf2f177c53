package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"ipcmq/internal/visible"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func benchCommand() *cobra.Command {
	duration, size := 2*time.Second, byteFlag(64)
	c := &cobra.Command{
		Use:   "bench [ADDR] [flags]",
		Short: "Measure throughput and round trip on this host",
		Long: `Bench measures, between two processes, how many messages per second go through a
queue, and how long it takes to send a message to another process and get an answer.
It creates queues of its own, System V and POSIX, and removes them; with ADDR it uses
that queue, which must be empty and not in use, and an inbox for the answers.

Other load on the host lowers the figures.`,
		Example: `  ipcmq bench
  ipcmq bench /jobs --size 4K --duration 10s`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeAddress,
	}
	c.Flags().DurationVar(&duration, "duration", duration, "how long each of the two measurements of a queue takes")
	c.Flags().Var(&size, "size", "bytes of a message")
	c.RunE = func(c *cobra.Command, args []string) error {
		if duration <= 0 {
			return usagef("--duration %v: it must be more than 0", duration)
		}
		benches, err := benchQueues(args)
		for _, b := range benches {
			defer b.close()
		}
		if err != nil {
			return err
		}
		var bar *progressbar.ProgressBar
		if isTerminal(os.Stderr) {
			bar = newBar(int64(2*len(benches)) * int64(duration))
		}
		lines := [][]string{{"QUEUE", "BYTES", "MESSAGES/S", "MB/S", "ROUND TRIPS/S", "HALF WITHIN", "99% WITHIN"}}
		for i, b := range benches {
			b.duration, b.size, b.bar, b.done = duration, int(size), bar, int64(2*i)*int64(duration)
			line, err := b.run(c.Context())
			if err != nil {
				if bar != nil {
					_ = bar.Clear()
				}
				return fmt.Errorf("%s: %w", b.label, err)
			}
			lines = append(lines, line)
		}
		if bar != nil {
			_ = bar.Clear()
		}
		return write(os.Stdout, table(lines, 1, 2, 3, 4, 5, 6))
	}
	return c
}

// A bench is the measurement of one queue.
type bench struct {
	label   string
	q       mq.Exchange
	address string // with which the other process opens it
	remove  func() error

	duration time.Duration
	size     int
	bar      *progressbar.ProgressBar
	done     int64 // of the bar, before this bench
}

// benchQueues opens the queues to measure. The caller closes them, even after an
// error.
func benchQueues(args []string) ([]*bench, error) {
	if len(args) == 1 {
		q, err := openArg(args[0], mq.ReadWrite, false)
		if err != nil {
			return nil, err
		}
		b := &bench{label: args[0], q: q, remove: func() error { return nil }}
		waiting := int64(0)
		switch q := q.(type) {
		case *sysv.Queue:
			b.address = fmt.Sprintf("id:%d", q.ID())
			s, err := q.Stat()
			if err != nil {
				return []*bench{b}, err
			}
			waiting = s.Messages
		case *posix.Queue:
			b.address = q.Name()
			a, err := q.Attr()
			if err != nil {
				return []*bench{b}, err
			}
			waiting = int64(a.Messages)
		}
		if waiting > 0 {
			return []*bench{b}, fmt.Errorf("%s has %s; bench needs an empty queue that nobody uses", args[0], plural(int(waiting), "message"))
		}
		return []*bench{b}, nil
	}
	s, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		return nil, err
	}
	benches := []*bench{{label: "System V", q: s, address: fmt.Sprintf("id:%d", s.ID()), remove: s.Remove}}
	p, err := posix.Open("/ipcmq-bench-"+rand.Text(), &posix.Config{Exclusive: true, Blocking: true})
	if errors.Is(err, errors.ErrUnsupported) {
		report(err)
		return benches, nil
	}
	if err != nil {
		return benches, err
	}
	return append(benches, &bench{label: "POSIX", q: p, address: p.Name(), remove: p.Unlink}), nil
}

func (b *bench) close() {
	if err := b.remove(); err != nil {
		report(err)
	}
	b.q.Close()
}

// The first byte of a message is a command to the other process.
const (
	benchCount  = 'c' // count this
	benchReport = 't' // answer with the count
	benchEcho   = 'e' // answer with this message
	benchEnd    = 'q' // end
)

// run measures and returns a line of the table.
func (b *bench) run(ctx context.Context) ([]string, error) {
	inbox, err := b.q.NewInbox()
	if err != nil {
		return nil, err
	}
	defer inbox.Close()
	defer inbox.Remove()
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	peer := &exec.Cmd{Path: exe, Args: []string{os.Args[0], "bench-peer", b.address, inbox.Address()}, Stderr: os.Stderr}
	alive, err := peer.StdinPipe() // the peer exits when this closes
	if err != nil {
		return nil, err
	}
	if err := peer.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		err := peer.Wait()
		cancel(fmt.Errorf("the other process has ended: %v", err))
		ended <- err
	}()
	defer func() {
		// The messages that it has not counted yet come before this one.
		end, stop := context.WithTimeout(context.Background(), 2*time.Second)
		_ = b.q.Send(end, mq.Message{Type: 1, Data: []byte{benchEnd}})
		select {
		case <-ended:
		case <-end.Done():
			_ = alive.Close()
			<-ended
		}
		stop()
		cancel(nil)
	}()

	rate, err := b.throughput(ctx, inbox)
	if err != nil {
		return nil, err
	}
	trips, err := b.roundTrips(ctx, inbox)
	if err != nil {
		return nil, err
	}
	slices.Sort(trips)
	return []string{b.label, strconv.Itoa(b.size), amount(int64(rate)), fmt.Sprintf("%.1f", rate*float64(b.size)/1e6),
		amount(int64(float64(len(trips)) / b.duration.Seconds())), micros(trips[len(trips)/2]), micros(trips[len(trips)*99/100])}, nil
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d)/1e3) }

func (b *bench) message(what byte) mq.Message {
	data := make([]byte, max(b.size, 1))
	data[0] = what
	return mq.Message{Type: 1, Data: data}
}

// throughput returns messages per second.
func (b *bench) throughput(ctx context.Context, inbox mq.Receiver) (float64, error) {
	// An answer to an empty count shows that the other process is there.
	if _, err := b.askCount(ctx, inbox); err != nil {
		return 0, err
	}
	m := b.message(benchCount)
	begun := time.Now()
	sent := 0
	for ; sent%64 != 0 || b.during(begun); sent++ {
		if err := b.q.Send(ctx, m); err != nil {
			return 0, err
		}
	}
	counted, err := b.askCount(ctx, inbox)
	took := time.Since(begun)
	if err == nil && counted != sent {
		err = fmt.Errorf("%d of %d messages arrived: another process takes them", counted, sent)
	}
	b.done += int64(b.duration)
	return float64(sent) / took.Seconds(), err
}

// askCount returns how many messages the other process has counted.
func (b *bench) askCount(ctx context.Context, inbox mq.Receiver) (int, error) {
	answer, err := b.ask(ctx, inbox, b.message(benchReport))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(answer.Data))
}

// answerWithin is how long the other process may take to answer.
const answerWithin = 10 * time.Second

func (b *bench) ask(ctx context.Context, inbox mq.Receiver, m mq.Message) (answer mq.Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := b.q.Send(ctx, m); err != nil {
		return answer, err
	}
	return inbox.Receive(ctx)
}

func (b *bench) roundTrips(ctx context.Context, inbox mq.Receiver) (trips []time.Duration, err error) {
	m := b.message(benchEcho)
	var answer mq.Message
	lost := time.AfterFunc(b.duration+answerWithin, func() { b.q.Close() })
	defer lost.Stop()
	for begun := time.Now(); len(trips)%64 != 0 || b.during(begun) || len(trips) == 0; {
		sent := time.Now()
		if err := b.q.Send(ctx, m); err != nil {
			return nil, err
		}
		if err := inbox.ReceiveInto(ctx, &answer); err != nil {
			return nil, err
		}
		trips = append(trips, time.Since(sent))
	}
	b.done += int64(b.duration)
	return trips, nil
}

// during shows the progress of a measurement, and reports whether it goes on.
func (b *bench) during(begun time.Time) bool {
	d := time.Since(begun)
	if b.bar != nil {
		b.bar.Describe(visible.Line(b.label))
		_ = b.bar.Set64(b.done + int64(min(d, b.duration)))
	}
	return d < b.duration
}

// benchPeerCommand is the other process of bench.
func benchPeerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "bench-peer ADDR INBOX",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			q, err := openArg(args[0], mq.ReadOnly, false)
			if err != nil {
				return err
			}
			defer q.Close()
			inbox, err := q.OpenInbox(args[1])
			if err != nil {
				return err
			}
			defer inbox.Close()
			// A signal to the process group is handled by the parent.
			ctx, cancel := context.WithCancel(context.Background())
			go func() {
				_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent has ended
				cancel()
			}()
			return benchPeer(ctx, q, inbox)
		},
	}
}

func benchPeer(ctx context.Context, q mq.Receiver, inbox mq.Sender) error {
	counted := 0
	var m mq.Message
	for {
		if err := q.ReceiveInto(ctx, &m); err != nil {
			return err
		}
		if len(m.Data) == 0 {
			continue
		}
		answer := mq.Message{Type: 1}
		switch m.Data[0] {
		case benchCount:
			counted++
			continue
		case benchReport:
			answer.Data, counted = strconv.AppendInt(nil, int64(counted), 10), 0
		case benchEcho:
			answer.Data = m.Data
		case benchEnd:
			return nil
		}
		if err := inbox.Send(ctx, answer); err != nil {
			return err
		}
	}
}
