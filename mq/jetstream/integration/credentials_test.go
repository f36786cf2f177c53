package integration_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"ipcmq/mq"
)

// An operator is trusted by servers to say who their users are: it signs accounts,
// which sign users.
type operator struct {
	key, account nkeys.KeyPair
	system       string // the account of the servers themselves
	resolver     *natsserver.MemAccResolver
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	o := &operator{resolver: &natsserver.MemAccResolver{}}
	var err error
	if o.key, err = nkeys.CreateOperator(); err != nil {
		t.Fatal(err)
	}
	unlimited := jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	o.account, _ = o.newAccount(t, unlimited)
	_, o.system = o.newAccount(t, jwt.JetStreamLimits{})
	return o
}

func (o *operator) newAccount(t *testing.T, limits jwt.JetStreamLimits) (key nkeys.KeyPair, public string) {
	t.Helper()
	key, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	public = publicKey(t, key)
	claims := jwt.NewAccountClaims(public)
	claims.Limits.JetStreamLimits = limits
	text, err := claims.Encode(o.key)
	if err == nil {
		err = o.resolver.Store(public, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key, public
}

func publicKey(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// demand makes a server admit only the operator's users.
func (o *operator) demand(t *testing.T) func(*natsserver.Options) {
	public := publicKey(t, o.key)
	return func(opts *natsserver.Options) {
		opts.TrustedKeys = []string{public}
		opts.AccountResolver = o.resolver
		opts.SystemAccount = o.system
	}
}

// credentials writes the credentials of a new user to a file.
func (o *operator) credentials(t *testing.T) (file string) {
	t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.NewUserClaims(publicKey(t, user)).Encode(o.account)
	if err != nil {
		t.Fatal(err)
	}
	content, err := jwt.FormatUserConfig(text, seed)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestBridgeShowsItsCredentials(t *testing.T) {
	t.Parallel()
	ours, theirs := newOperator(t), newOperator(t)
	url := startServer(t, ours.demand(t))
	kernel, id := newKernelQueue(t)
	sendAll(t, kernel, mq.Message{Type: 1})
	startBridge(t, "-server", url, "-create", id, "js:secure").wait(t, 1, "does not admit this user")
	startBridge(t, "-server", url, "-create", "-creds", theirs.credentials(t), id, "js:secure").wait(t, 1, "does not admit this user")
	b := startBridge(t, "-server", url, "-create", "-v", "-creds", ours.credentials(t), id, "js:secure")
	b.says(t, "forwarding")
	kernelHolds(t, kernel, 0)
	b.stop(t, 0, "1 forwarded")
}
