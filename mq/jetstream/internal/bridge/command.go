// Package bridge is the command ipcmq-bridge, which forwards messages between a
// queue of the kernel and a queue on NATS JetStream.
package bridge

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const help = `usage: ipcmq-bridge [flags] FROM TO

ipcmq-bridge takes messages out of one queue and sends them to another, until a
signal stops it. One of them is a queue of the kernel, the other is on NATS
JetStream.

  42, 0x2a, -42    the key of a System V queue
  id:7             the id of a System V queue
  ftok:PATH,A      the key that ftok(3) makes of a file and a character or number
  /jobs            the name of a POSIX queue; name:/a%0Ab if it has odd characters
  js:orders        the name of a queue on JetStream, see -server

Flags come before FROM; -- ends them before a negative key.

`

const helpMore = `
Selectors for -type:
  0    any, the oldest first        7    type 7
  -7   the lowest type up to 7      !7   all but type 7 (quote it in a shell)
A JetStream queue in lease mode has 0 and 7 only, a POSIX queue 0 only.

Types are kept. A POSIX queue has priorities instead, which JetStream does not
keep: with -priorities, priority P travels as type 32768-P and back, so that a
higher priority is a lower type.

Requests of package ipcmq/mux/rpc keep the time that they have left, whatever the
clocks of the hosts say. Their replies do not come back: they do not travel in queues.

Each message is stored in TO before the next is taken, so that little is at
stake when the bridge ends:

  a kernel queue, or       SIGTERM, SIGINT: the message in hand is sent within
  a JetStream queue in     the time of -grace, or put back at the end of FROM.
  claim mode, to any       SIGKILL: at most one message is lost, that in hand.

  a JetStream queue in     SIGTERM, SIGINT: the message in hand is sent, or
  lease mode, to a         given back to its place.
  kernel queue             SIGKILL: none is lost, at most one comes twice.

While there is no room in TO, or no server, the bridge waits. What a server has
not confirmed is sent again; it is stored once unless the server stays away for
two minutes, or fails after somebody has received it: then it may come twice. So
may what was taken out of a queue in claim mode while its server failed. If a
queue is removed, or does not take a message, the bridge puts that message back
and ends.

Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage.

Examples:
  ipcmq-bridge -server nats://10.0.0.5:4222 0x2a js:orders
  ipcmq-bridge -create -type 7 js:orders 42
`

// Main runs the command with args, which exclude its name, and returns the exit
// status.
func Main(args []string) int {
	// With a handler, writing to a closed pipe fails instead of killing the
	// process with a message in hand.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := parse(args, os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return statusDone
	}
	if err == nil {
		if s.json {
			logger = slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("from", s.from.String(), "to", s.to.String())
		}
		err = run(ctx, s)
	}
	return report(err)
}

// settings are what the command line asks for.
type settings struct {
	from, to   queueAddress
	selector   selector
	priorities bool
	create     bool
	verbose    bool
	json       bool
	grace      time.Duration
	server     serverFlags
}

// serverFlags say how to reach the NATS servers.
type serverFlags struct{ urls, creds, ca, cert, key string }

// parse reads the command line, and writes the help to out if it asks for it.
func parse(args []string, out io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("ipcmq-bridge", flag.ContinueOnError)
	f.SetOutput(io.Discard) // errors are reported like all others
	f.StringVar(&s.server.urls, "server", "nats://127.0.0.1:4222", "`URL` of a NATS server, or several with commas")
	f.StringVar(&s.server.creds, "creds", "", "`file` with credentials of a NATS user")
	f.StringVar(&s.server.ca, "ca", "", "`file` with the certificates to trust servers by (TLS)")
	f.StringVar(&s.server.cert, "cert", "", "`file` with the certificate to show to servers (TLS), with -key")
	f.StringVar(&s.server.key, "key", "", "`file` with the key of -cert")
	f.Var(&s.selector, "type", "which types to take, a `selector`")
	f.BoolVar(&s.priorities, "priorities", false, "carry POSIX priorities as types")
	f.BoolVar(&s.create, "create", false, "create a queue that does not exist: mode 0600; lease mode, on disk, one replica")
	f.DurationVar(&s.grace, "grace", 5*time.Second, "how long the message in hand may take after a signal")
	f.BoolVar(&s.verbose, "v", false, "report when forwarding begins, and at the end how many messages were forwarded")
	f.BoolVar(&s.json, "json", false, "report everything in JSON, one object per line: time, level, msg, from, to")
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		io.WriteString(out, help)
		f.SetOutput(out)
		f.PrintDefaults()
		io.WriteString(out, helpMore)
		return nil, err
	}
	switch {
	case err != nil:
		return nil, usageError{err}
	case f.NArg() != 2:
		return nil, usagef("it takes FROM and TO after the flags, not %q", f.Args())
	case s.grace < 0:
		return nil, usagef("-grace %v: it is 0 or more", s.grace)
	case (s.server.cert == "") != (s.server.key == ""):
		return nil, usagef("-cert and -key go together")
	}
	if err := s.server.check(); err != nil {
		return nil, err
	}
	if s.from, err = parseAddress(f.Arg(0)); err != nil {
		return nil, err
	}
	if s.to, err = parseAddress(f.Arg(1)); err != nil {
		return nil, err
	}
	return s, s.check()
}

// check returns an error if a file cannot be opened, before queues are created. Their
// content is checked when the queue on JetStream is opened.
func (f *serverFlags) check() error {
	for _, name := range []string{f.creds, f.ca, f.cert, f.key} {
		if name == "" {
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			return usageError{err}
		}
		file.Close()
	}
	return nil
}

// check returns an error if the settings contradict each other.
func (s *settings) check() error {
	posix := s.from.posix() || s.to.posix()
	switch {
	case s.from.jetstream() && s.to.jetstream():
		return usagef("%v and %v are both on JetStream: one is a queue of the kernel (JetStream can mirror streams itself)", s.from, s.to)
	case !s.from.jetstream() && !s.to.jetstream():
		return usagef("%v and %v are both queues of the kernel: one is on JetStream, such as js:orders", s.from, s.to)
	case posix && !s.priorities:
		return usagef("a POSIX queue has priorities, and a queue on JetStream types: with -priorities, priority P is type %d-P, and back", topType)
	case !posix && s.priorities:
		return usagef("-priorities: neither %v nor %v is a POSIX queue", s.from, s.to)
	case s.from.posix() && s.selector != selector{}:
		return usagef("-type %v: messages of POSIX queues have no type to select; the highest priority comes first", &s.selector)
	}
	return nil
}
