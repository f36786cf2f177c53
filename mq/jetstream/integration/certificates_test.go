package integration_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

// A credential is the files with which a client trusts one server, and shows itself.
type credential struct{ ca, cert, key string }

func newCredential(dir string) credential {
	return credential{filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")}
}

// write replaces the files.
func (c credential) write(t *testing.T, servers, ours tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(ours.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		c.ca:   {Type: "CERTIFICATE", Bytes: servers.Certificate[0]},
		c.cert: {Type: "CERTIFICATE", Bytes: ours.Certificate[0]},
		c.key:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// An operator replaces all certificates: first those of the server, then the files of
// the client, which runs on.
func TestAHandleOutlivesNewCertificates(t *testing.T) {
	t.Parallel()
	var options *natsserver.Options
	demand := func(o *natsserver.Options, authority *x509.CertPool, own tls.Certificate) {
		o.TLS, o.TLSVerify, o.TLSTimeout = true, true, 5
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: authority, ClientAuth: tls.RequireAndVerifyClientCert}
	}
	authority, servers, ours := certificates(t)
	s := start(t, &server.Options{Configure: func(o *natsserver.Options) {
		demand(o, authority, servers)
		options = o
	}})
	files := newCredential(t.TempDir())
	files.write(t, servers, ours)
	q := openQueue(t, s.URL(), "guarded", &jetstream.Config{NATS: []nats.Option{nats.RootCAs(files.ca), nats.ClientCert(files.cert, files.key)}})
	waits := receiving(t.Context(), q)

	authority, servers, ours = certificates(t)
	renewed := options.Clone()
	demand(renewed, authority, servers)
	if err := s.NATS().ReloadOptions(renewed); err != nil {
		t.Fatal(err)
	}
	// Connections that are there stay, until they have to be made again.
	if err := q.TrySend(mq.Message{Type: 1}); err != nil {
		t.Errorf("over a connection that was made before: %v", err)
	}
	if err := waits.wait(t); err != nil {
		t.Fatal(err)
	}
	waits = receiving(t.Context(), q)
	all, err := s.NATS().Connz(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all.Conns {
		if err := s.NATS().DisconnectClientByID(c.Cid); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() error {
		err := q.TrySend(mq.Message{Type: 1})
		if !errors.Is(err, mq.ErrUnavailable) || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "TLS") {
			return fmt.Errorf("TrySend with the old certificates: %v", err)
		}
		return nil
	})
	files.write(t, servers, ours)
	if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
		t.Error(err)
	}
	if err := waits.wait(t); err != nil {
		t.Errorf("Receive: %v", err)
	}
}
