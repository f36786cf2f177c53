package cli

import (
	"cmp"
	"io/fs"
	"time"

	"github.com/spf13/pflag"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// Exported for tests outside of the package.
var (
	RemoveIPC      = removeIPC
	Amount         = amount[int64]
	Age            = age
	Sparkline      = sparkline
	ShortNumber    = shortNumber
	ReadMessages   = readMessages
	NewMessageFile = createMessageFile
	ReadKeys       = readKeys
	AppendJSON     = appendJSON
)

func (w *messageFile) Add(m mq.Message) error { return w.add(m) }
func (w *messageFile) Close() error           { return w.close() }

// Table lays cells out in columns.
func Table(lines [][]string, right ...int) string { return string(table(lines, right...)) }

// NameOf returns the name of the POSIX queue at an address.
func NameOf(text string) (string, error) {
	a, err := parseAddress(text)
	return a.Name, err
}

// Namespaces returns the texts of the findings.
func Namespaces(proc fs.FS) (texts []string) {
	for _, f := range checkNamespaces(proc) {
		texts = append(texts, f.Level+" "+f.Text)
	}
	return texts
}

// CheckCapacity returns what doctor reports about a queue with key 42.
func CheckCapacity(capacity int64, l sysv.Limits) (text, remedy string) {
	r := collect.OfSysV(sysv.Stat{Key: 42, Capacity: capacity})
	for _, f := range checkCapacity(r, l) {
		text, remedy = f.Level+" "+f.Text, f.Remedy
	}
	return text, remedy
}

func CheckRemoveIPC(root fs.FS, uid int) string {
	f := checkRemoveIPC(root, uid)
	return f.Level + " " + f.Text
}

// A Gauge is a queue for View.
type Gauge struct {
	Address                 string
	Messages, Capacity      int64
	In, Out, Net            float64
	History                 []float64
	Receivers, BlockedSends int
	Command                 string // of the waiting process; perl if empty
	Lent, Dead              int
}

// Listing returns what ls shows about a POSIX queue, and its address.
func Listing(name, owner, command string) (shown, as string) {
	used := &collect.Process{PID: 7, Command: command}
	q := collect.Queue{Address: address.OfName(name).String(), Kind: collect.Posix, Owner: owner, LastSender: used, LastReceiver: used}
	return string(listing([]collect.Queue{q}, time.Unix(1, 0))), q.Address
}

// View returns what top shows for gauges on a screen of that size
// after keys are typed, one of which may be "escape".
func View(width, height int, keys []string, gauges ...Gauge) string {
	s := &screen{painter: painter{plain: true}, meter: &collect.Meter{Interval: time.Second}, at: time.Unix(1, 0), width: width, height: height, choice: choice{order: byName}}
	for _, g := range gauges {
		r := collect.Queue{Address: g.Address, Kind: collect.SysV, Messages: g.Messages, Bytes: g.Messages, Capacity: g.Capacity}
		for i := range g.Receivers + g.BlockedSends {
			r.Waiting = append(r.Waiting, collect.Waiter{Process: collect.Process{PID: 100 + i, Command: cmp.Or(g.Command, "perl")}, Receives: i < g.Receivers})
		}
		if g.Lent > 0 {
			r.Leases = &collect.Leases{Held: g.Lent, Dead: g.Dead}
		}
		s.gauges = append(s.gauges, collect.Gauge{Queue: r, In: g.In, Out: g.Out, Net: g.Net, History: g.History})
	}
	for _, key := range keys {
		if key == keyEscape {
			s.leave()
		} else {
			s.press(key)
		}
	}
	s.scroll()
	return s.View()
}

// Commands returns the names of all commands.
func Commands() (names []string) {
	for _, c := range newRoot().Commands() {
		names = append(names, c.Name())
	}
	return names
}

// Flags returns the names of the flags of a command.
func Flags(command string) (names []string) {
	c, _, err := newRoot().Find([]string{command})
	if err != nil {
		return nil
	}
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}
