package jetstream

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

const (
	// answerWait is how long one request waits for its answer. Requests to a
	// cluster without a leader are never answered.
	answerWait = time.Second

	// graceWait is how long a request that moves a message keeps waiting for its
	// answer after its context has ended: a healthy server answers much sooner,
	// so that nothing is in doubt.
	graceWait = answerWait

	reconnectWait = 100 * time.Millisecond

	// pingInterval makes the client notice a server that hangs.
	pingInterval = time.Second
)

// dial connects to a server, until ctx ends.
func dial(ctx context.Context, servers, name string, options []nats.Option) (*nats.Conn, error) {
	opts := nats.GetDefaultOptions()
	for s := range strings.SplitSeq(servers, ",") {
		if s = strings.TrimSpace(s); s != "" {
			opts.Servers = append(opts.Servers, s)
		}
	}
	own := []nats.Option{
		nats.Name("ipcmq " + name),
		nats.ReconnectBufSize(-1), // or a message whose Send has failed may be sent later
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.PingInterval(pingInterval),
		nats.IgnoreAuthErrorAbort(),                                       // or a temporarily wrong password ends the handle
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // or they go to standard error
	}
	for _, option := range append(own, options...) {
		if option == nil {
			continue
		}
		if err := option(&opts); err != nil {
			return nil, &mq.Error{Op: "open", Queue: name, Kind: mq.ErrInvalidConfig, Err: err, Detail: fmt.Sprintf("an option in NATS: %v", err)}
		}
	}
	if opts.UserJWT != nil && opts.SignatureCB != nil { // nats.go looks for the key only once there is a server
		if _, err := opts.SignatureCB([]byte("nonce")); err != nil {
			return nil, &mq.Error{Op: "open", Queue: name, Kind: mq.ErrInvalidConfig, Err: err, Detail: fmt.Sprintf("the credentials in NATS: %v", err)}
		}
	}
	told := opts.LameDuckModeHandler
	opts.LameDuckModeHandler = func(nc *nats.Conn) {
		if told != nil {
			told(nc)
		}
		leave(nc)
	}
	opening, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel)
	dialer := newDialer(opening, &opts)
	opts.CustomDialer = dialer
	nc, err := opts.Connect()
	dialer.opened.Store(true)
	switch {
	case !stop():
		if nc != nil {
			nc.Close()
		}
		return nil, (&Queue{handle: handle.Handle{Name: name}}).ended("open", ctx, nil)
	case err != nil:
		cancel()
		return nil, connectError(withoutSecrets(opts.Servers), name, err)
	}
	return nc, nil
}

// withoutSecrets returns the addresses of servers for an error text, without
// passwords and tokens.
func withoutSecrets(servers []string) string {
	if len(servers) == 0 {
		return nats.DefaultURL
	}
	var all []string
	for _, s := range servers {
		if !strings.Contains(s, "://") {
			s = "nats://" + s // as nats.go reads it
		}
		u, err := url.Parse(s)
		if err != nil {
			all = append(all, "an address that is no URL")
			continue
		}
		shown := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}
		if _, ok := u.User.Password(); u.User != nil && !ok {
			shown.User = url.User("xxxxx") // a token
		}
		all = append(all, shown.Redacted())
	}
	return strings.Join(all, ",")
}

// A dialer makes connections as the options say, and closes the first one when a
// context ends.
type dialer struct {
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	opening context.Context // ends with the context of Open, unless Open has returned
	opened  atomic.Bool
}

func newDialer(opening context.Context, opts *nats.Options) *dialer {
	d := &dialer{opening: opening}
	switch custom := opts.CustomDialer; {
	case custom != nil:
		d.dial = func(_ context.Context, network, address string) (net.Conn, error) {
			return custom.Dial(network, address)
		}
	case opts.Dialer != nil:
		d.dial = opts.Dialer.DialContext
	default:
		d.dial = (&net.Dialer{Timeout: cmp.Or(opts.Timeout, nats.DefaultTimeout)}).DialContext
	}
	return d
}

// Dial connects, see nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := d.dial(d.opening, network, address)
	if err == nil && !d.opened.Load() {
		context.AfterFunc(d.opening, func() { conn.Close() }) // even during a handshake
	}
	return conn, err
}

// checkConn returns an error if messages could be lost or repeated over nc.
func checkConn(nc *nats.Conn, name string) error {
	bad := func(detail string) error {
		return &mq.Error{Op: "open", Queue: name, Kind: mq.ErrInvalidConfig, Detail: detail}
	}
	switch {
	case nc.Opts.ReconnectBufSize >= 0:
		return bad("the connection has a reconnect buffer, from which messages may be sent after Send has failed: connect with nats.ReconnectBufSize(-1)")
	case nc.Opts.NoEcho:
		return bad("the connection has NoEcho, so its own replies would not arrive: connect without nats.NoEcho()")
	}
	return nil
}

// ask sends a request and waits for the answer, answerWait at most, and not
// longer than grace after ctx has ended. An error of ctx means that the server did
// not get its full time, and nats.ErrTimeout that it did.
func (q *Queue) ask(ctx context.Context, grace time.Duration, m *nats.Msg) (*nats.Msg, error) {
	return q.askFor(ctx, answerWait, grace, m)
}

// askFor is ask, but waits for d at most.
func (q *Queue) askFor(ctx context.Context, d, grace time.Duration, m *nats.Msg) (*nats.Msg, error) {
	start := time.Now()
	wait, cancel := withGrace(ctx, d, grace)
	defer cancel()
	defer q.link.whenLost(wait, cancel)()
	if err := q.connected(); err != nil {
		return nil, err
	}
	answer, err := q.request(wait, m)
	switch {
	case !isOfContext(err) || grace == 0 && ctx.Err() != nil:
	case time.Since(start) < d && ctx.Err() == nil:
		err = nats.ErrDisconnected // the answer is lost
	default:
		err = nats.ErrTimeout
	}
	q.link.note(q, q.kindOf(m), start, answer, err)
	return answer, err
}

// connected returns why nothing can be sent now, or nil.
func (q *Queue) connected() error {
	switch {
	case q.nc.IsConnected():
		return nil
	case q.nc.IsClosed():
		return nats.ErrConnectionClosed
	}
	return q.notConnected()
}

// withGrace returns a context that ends after d, or grace after ctx if that is
// sooner.
func withGrace(ctx context.Context, d, grace time.Duration) (context.Context, context.CancelFunc) {
	if grace == 0 {
		return context.WithTimeout(ctx, d)
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return wait, func() {
		stop()
		cancel()
	}
}

// api calls the JetStream API: request, unless nil, is sent as JSON, and the answer
// is decoded into response. If a server refuses, the error is a *js.APIError.
func (q *Queue) api(ctx context.Context, grace time.Duration, subject string, request, response any) error {
	return q.apiFor(ctx, answerWait, grace, subject, request, response)
}

// apiFor is api, but waits for d at most.
func (q *Queue) apiFor(ctx context.Context, d, grace time.Duration, subject string, request, response any) error {
	m := &nats.Msg{Subject: q.apiPrefix + subject}
	if request != nil {
		var err error
		if m.Data, err = json.Marshal(request); err != nil {
			return err
		}
	}
	answer, err := q.askFor(ctx, d, grace, m)
	if err != nil {
		return err
	}
	return decode(answer.Data, response)
}

// decode reads the answer of a server.
func decode(data []byte, response any) error {
	var refusal struct {
		Error *js.APIError `json:"error"`
	}
	if err := json.Unmarshal(data, &refusal); err != nil {
		return err
	}
	if refusal.Error != nil {
		return refusal.Error
	}
	if response == nil {
		return nil
	}
	return json.Unmarshal(data, response)
}

// reconnected rings every bell after the connection was restored: signals sent in
// the meantime are lost, and so are the pulls.
func (q *Queue) reconnected() {
	q.restart.ring()
	q.room.ring()
	q.wakes.ringAll()
}

// stream asks for the state of the stream.
func (q *Queue) stream(ctx context.Context, grace time.Duration) (*js.StreamInfo, error) {
	var info js.StreamInfo
	err := q.api(ctx, grace, "STREAM.INFO."+q.subjects.stream, nil, &info)
	if err != nil {
		return nil, err
	}
	if id := info.Config.Metadata[metaID]; q.id != "" && id != q.id {
		return nil, errReplaced
	}
	q.limits.Store(limitsOf(&info.Config))
	return &info, nil
}

// errReplaced: the queue was removed, and another one was created.
var errReplaced = &js.APIError{Code: 404, ErrorCode: codeStreamNotFound, Description: "the queue was removed and created again"}

// verify returns nil if the queue exists, or if that cannot be found out, and
// otherwise the error for op.
func (q *Queue) verify(ctx context.Context, op string) error {
	_, err := q.stream(ctx, 0)
	if code(err) == codeStreamNotFound {
		return q.failed(op, err)
	}
	return nil
}
