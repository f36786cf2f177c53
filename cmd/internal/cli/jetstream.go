package cli

import (
	"context"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// jetstreamHelp is the help of commands that take js: addresses.
const jetstreamHelp = `js:orders is a queue on NATS JetStream, at the server of --server or $NATS_URL;
ipcmq help says how to log in there.`

// natsServers are the servers with queues on JetStream.
type natsServers struct {
	flag    string
	account natsAccount
	names   map[string]bool // of queues that errors may refer to
}

// serverFlag adds the flag for servers, which errors of the command then name.
func serverFlag(c *cobra.Command) *natsServers {
	s := &natsServers{names: map[string]bool{}}
	c.Flags().StringVar(&s.flag, "server", "", "comma-separated URLs of NATS servers, for js: addresses (default: $NATS_URL)")
	return s
}

// at wraps run so that errors name the servers and the queue.
func (s *natsServers) at(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		err := run(c, args)
		if err == nil || err == errReported || len(s.names) == 0 {
			return err
		}
		return &remoteError{err, s}
	}
}

// A remoteError is an error of a command that uses queues on JetStream.
type remoteError struct {
	error
	servers *natsServers
}

func (e *remoteError) Unwrap() error { return e.error }

// where returns the addresses of the servers without credentials.
func (s *natsServers) where() string {
	var all []string
	for one := range strings.SplitSeq(s.account.URL, ",") {
		one = strings.TrimSpace(one)
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		if err != nil {
			return "the servers given"
		}
		all = append(all, u.Scheme+"://"+u.Host)
	}
	return strings.Join(all, ",")
}

// parse reads the address of a queue, of the kernel or on JetStream.
func (s *natsServers) parse(arg string) (address.Address, error) {
	a, err := s.parseOne(arg)
	if err == nil && a.Kind != address.JetStream && s.flag != "" {
		err = usagef("--server: %v is a kernel queue; queues on JetStream have addresses such as js:orders", a)
	}
	return a, err
}

// isFor returns an error if a server was given but no address is on JetStream.
func (s *natsServers) isFor(args ...string) error {
	if s.flag != "" && !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, jetstreamPrefix) }) {
		return usagef("--server goes with a queue on JetStream, such as js:orders")
	}
	return nil
}

// parseOne is parse for one of several addresses.
func (s *natsServers) parseOne(arg string) (address.Address, error) {
	a, err := address.ParseAny(arg)
	switch {
	case err != nil:
		return a, usageError{err}
	case a.Kind == address.JetStream:
		return a, s.login()
	}
	return a, nil
}

// login reads the addresses of the servers and the credentials.
func (s *natsServers) login() (err error) {
	if s.account.URL != "" {
		return nil
	}
	s.account, err = accountOf(os.Getenv)
	if s.flag != "" {
		s.account.URL = s.flag
	}
	return err
}

// answerIn is how long servers may take to open a queue. An unreachable server is
// noticed sooner.
const answerIn = 3 * time.Second

var errNoAnswer = errors.New("no answer within " + answerIn.String())

// openAny opens the queue at a, of the kernel or on JetStream, see open.
func (s *natsServers) openAny(ctx context.Context, a address.Address, access mq.Access, create bool) (mq.Exchange, error) {
	if a.Kind != address.JetStream {
		return open(a, access, create)
	}
	return exchangeOrNil(s.open(ctx, a, jetstream.Config{Access: access, OpenOnly: !create}))
}

// A remoteQueue is a queue on JetStream.
type remoteQueue struct {
	*jetstream.Queue
	address address.Address
	servers *natsServers
}

// open opens the queue on JetStream at a.
func (s *natsServers) open(ctx context.Context, a address.Address, cfg jetstream.Config) (*remoteQueue, error) {
	s.names[a.Name] = true
	if err := s.configure(&cfg); err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeoutCause(ctx, answerIn, errNoAnswer)
	defer cancel()
	q, err := jetstream.Open(opening, s.account.URL, a.Name, &cfg)
	if err != nil {
		return nil, unanswered(err)
	}
	return &remoteQueue{q, a, s}, nil
}

// list returns the queues of the servers.
func (s *natsServers) list(ctx context.Context) ([]jetstream.Stat, error) {
	s.names[""] = true
	if err := s.login(); err != nil {
		return nil, err
	}
	var cfg jetstream.Config
	if err := s.configure(&cfg); err != nil {
		return nil, err
	}
	listing, cancel := context.WithTimeoutCause(ctx, answerIn, errNoAnswer)
	defer cancel()
	all, err := jetstream.List(listing, s.account.URL, &cfg)
	return all, unanswered(err)
}

// configure adds the credentials, and reports when the connection is lost.
func (s *natsServers) configure(cfg *jetstream.Config) (err error) {
	cfg.Domain, cfg.APIPrefix = s.account.Domain, s.account.APIPrefix
	cfg.NATS, err = s.account.options()
	cfg.NATS = append(cfg.NATS,
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				logLine("ipcmq: the connection to %s is lost, reconnecting: %v", s.where(), err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { logLine("ipcmq: reconnected to %s", nc.ConnectedUrlRedacted()) }))
	return err
}

// unanswered turns the timeout of a server into an error about the server: the user
// did not set a timeout.
func unanswered(err error) error {
	var e *mq.Error
	if !errors.Is(err, errNoAnswer) || !errors.As(err, &e) {
		return err
	}
	detail := errNoAnswer.Error()
	if _, why, ok := strings.Cut(e.Detail, "unavailable: "); ok {
		detail += ": " + why
	}
	return &mq.Error{Op: e.Op, Queue: e.Queue, Kind: mq.ErrUnavailable, Detail: detail}
}

// remoteReason returns the reason of an error of a queue on JetStream: its own, or reason.
func remoteReason(e *mq.Error, reason string) string {
	if reason != "" {
		return strings.TrimSuffix(reason, "; no message came")
	}
	text := strings.TrimPrefix(e.Error(), "mq: "+e.Op)
	if e.Queue != "" {
		text = strings.TrimPrefix(text, " "+e.Queue)
	}
	text = strings.TrimPrefix(text, ": ")
	switch {
	case errors.Is(e, mq.ErrUnavailable) && strings.HasPrefix(text, "no server at "):
		_, why, _ := strings.Cut(text, ": ")
		return "there is no server: " + strings.TrimPrefix(why, "nats: ") + " (--server or NATS_URL names another)"
	case errors.Is(e, mq.ErrUnavailable) && (e.Op == "open" || e.Op == "list"):
		return text + " (--server or NATS_URL names another server)"
	}
	return inFlags(text)
}
