package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// jetstreamPrefix begins addresses of queues on JetStream; for ls it stands for all.
const jetstreamPrefix = "js:"

// A remoteStat is the JSON of ls and stat for a queue on JetStream.
type remoteStat struct {
	Address     string     `json:"address"`
	Kind        string     `json:"kind"` // "JetStream"
	Mode        string     `json:"mode"` // "lease" or "claim"
	Storage     string     `json:"storage"`
	Replicas    int        `json:"replicas"`
	Leader      string     `json:"leader,omitempty"`
	AckWait     float64    `json:"ack_wait,omitempty"` // seconds
	Messages    int64      `json:"messages"`
	Lent        int64      `json:"lent"` // included in messages
	Bytes       int64      `json:"bytes"`
	Capacity    int64      `json:"capacity"`
	MaxMessages int64      `json:"max_messages,omitempty"`
	Created     time.Time  `json:"created"`
	LastSend    *time.Time `json:"last_send,omitempty"`
}

func newRemoteStat(s jetstream.Stat) remoteStat {
	mode, _, _ := strings.Cut(s.Mode.String(), " ")
	r := remoteStat{
		Address: address.Address{Kind: address.JetStream, Name: s.Name}.String(), Kind: "JetStream",
		Mode: mode, Storage: s.Storage.String(), Replicas: s.Replicas, Leader: s.Leader, AckWait: s.AckWait.Seconds(),
		Messages: s.Messages, Lent: s.Lent, Bytes: s.Bytes, Capacity: s.MaxBytes, MaxMessages: s.MaxMessages, Created: s.Created,
	}
	if !s.LastSend.IsZero() {
		r.LastSend = &s.LastSend
	}
	return r
}

// fill returns how full the queue is, 0 to 1, or -1 if it has no limit.
func (r remoteStat) fill() float64 {
	f := -1.0
	if r.Capacity > 0 {
		f = float64(r.Bytes) / float64(r.Capacity)
	}
	if r.MaxMessages > 0 {
		f = max(f, float64(r.Messages)/float64(r.MaxMessages))
	}
	return f
}

// describe writes everything the servers report about the queue at a.
func (s *natsServers) describe(ctx context.Context, a address.Address, asJSON bool) error {
	q, err := s.open(ctx, a, jetstream.Config{OpenOnly: true})
	if err != nil {
		return err
	}
	defer q.Close()
	asking, cancel := context.WithTimeoutCause(ctx, answerIn, errNoAnswer)
	defer cancel()
	stat, err := q.Stat(asking)
	if err != nil {
		return unanswered(err)
	}
	r := newRemoteStat(stat)
	if asJSON {
		return writeJSON(r)
	}
	return write(os.Stdout, r.text(s.where(), time.Now()))
}

func (r remoteStat) text(servers string, now time.Time) harmless {
	var lines [][]string
	add := func(name, format string, args ...any) {
		lines = append(lines, []string{name, fmt.Sprintf(format, args...)})
	}
	add("address", "%s", r.Address)
	add("kind", "JetStream at %s", servers)
	if r.AckWait > 0 {
		add("mode", "%s, of %v", r.Mode, time.Duration(r.AckWait*float64(time.Second)))
	} else {
		add("mode", "%s", r.Mode)
	}
	add("storage", "%s, on %s", r.Storage, plural(r.Replicas, "server"))
	if r.Leader != "" {
		add("leader", "%s", r.Leader)
	}
	messages := known(r.Messages)
	if r.MaxMessages > 0 {
		messages += fmt.Sprintf(" of %d", r.MaxMessages)
	}
	add("messages", "%s", messages)
	add("lent", "%d", r.Lent)
	add("bytes", "%s of %s (%s)", known(r.Bytes), known(r.Capacity), percent(r.fill()))
	sent := "-"
	if r.LastSend != nil {
		sent = fmt.Sprintf("%s ago, %s", age(now, *r.LastSend), r.LastSend.Format(time.RFC3339))
	}
	add("last sent", "%s", sent)
	add("created", "%s ago, %s", age(now, r.Created), r.Created.Format(time.RFC3339))
	return table(lines)
}

// writeList writes a list of all queues at the servers.
func (s *natsServers) writeList(ctx context.Context, asJSON bool) error {
	all, problem := s.list(ctx)
	rows := make([]remoteStat, len(all))
	lines := [][]string{{"QUEUE", "MODE", "STORAGE", "SERVERS", "MESSAGES", "LENT", "USED", "CAPACITY", "FULL", "SENT"}}
	now := time.Now()
	for i, stat := range all {
		r := newRemoteStat(stat)
		rows[i] = r
		lines = append(lines, []string{r.Address, r.Mode, r.Storage, strconv.Itoa(r.Replicas), known(r.Messages), known(r.Lent),
			known(r.Bytes), known(r.Capacity), percent(r.fill()), since(now, r.LastSend)})
	}
	if problem != nil && len(all) == 0 {
		return problem
	}
	err := error(nil)
	if asJSON {
		err = writeJSON(rows)
	} else {
		err = write(os.Stdout, table(lines, 3, 4, 5, 6, 7, 8, 9))
	}
	if err == nil {
		err = problem
	}
	return err
}

// peek writes up to count messages without taking them.
func (s *natsServers) peek(ctx context.Context, a address.Address, f *format, count int) error {
	q, err := s.open(ctx, a, jetstream.Config{Access: mq.ReadOnly, OpenOnly: true})
	if err != nil {
		return err
	}
	defer q.Close()
	if err := f.begin(q, isTerminal(os.Stdout)); err != nil {
		return err
	}
	bounded := count == 0
	if bounded {
		count = peekBound
	}
	var line []byte
	next := uint64(0)
	for i := range count {
		m, sequence, err := q.Peek(ctx, next)
		if errors.Is(err, mq.ErrEmpty) && i > 0 {
			return nil
		}
		if errors.Is(err, mq.ErrEmpty) {
			return &mq.Error{Op: "peek", Queue: a.Name, Kind: mq.ErrEmpty, Detail: "there is no message"}
		}
		if err != nil {
			return err
		}
		next = sequence + 1
		line = f.append(line[:0], m)
		if _, err := os.Stdout.Write(line); err != nil {
			return err
		}
	}
	if now, err := q.Stat(ctx); bounded && err == nil && now.Messages > peekBound {
		logLine("ipcmq: these are the oldest %s of %s; -n %d shows all", amount(peekBound), plural(int(now.Messages), "message"), now.Messages)
	}
	return nil
}

// completeAnyAddress is completeAddress, but offers queues on JetStream for words that
// begin with js:.
func completeAnyAddress(c *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeAnyAddresses(c, nil, word)
}

// completeAnyAddresses is completeAnyAddress for every argument.
func completeAnyAddresses(c *cobra.Command, _ []string, word string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
	if !strings.HasPrefix(word, jetstreamPrefix) {
		return completeAddresses(c, nil, word)
	}
	s := &natsServers{names: map[string]bool{}, flag: c.Flag("server").Value.String()}
	all, _ := s.list(context.Background()) // without a server none is offered
	for _, stat := range all {
		r := newRemoteStat(stat)
		found = append(found, cobra.CompletionWithDesc(r.Address, plural(int(r.Messages), "message")))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
