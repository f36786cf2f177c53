package integration_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// A door is a server that demands something, with the options that it lets in
// and those that it does not.
type door struct {
	name    string
	demand  func(*natsserver.Options)
	open    []nats.Option
	refused map[string]refusal
}

type refusal struct {
	options []nats.Option
	kind    error  // that the error matches, if not nil
	text    string // that is in the error
}

func doors(t *testing.T) []door {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	trusted, ours, _ := certificates(t)
	_, _, theirs := certificates(t)
	operator, another := newOperator(t), newOperator(t)
	return []door{
		{
			name:   "user and password",
			demand: func(o *natsserver.Options) { o.Username, o.Password = "ipcmq", "secret" },
			open:   []nats.Option{nats.UserInfo("ipcmq", "secret")},
			refused: map[string]refusal{
				"no user":           {nil, fs.ErrPermission, "Authorization Violation"},
				"another password":  {[]nats.Option{nats.UserInfo("ipcmq", "guessed")}, fs.ErrPermission, "Authorization Violation"},
				"a token as a user": {[]nats.Option{nats.Token("secret")}, fs.ErrPermission, "Authorization Violation"},
			},
		},
		{
			name:   "nkey",
			demand: func(o *natsserver.Options) { o.Nkeys = []*natsserver.NkeyUser{{Nkey: public}} },
			open:   []nats.Option{nats.Nkey(public, user.Sign)},
			refused: map[string]refusal{
				"no key":                  {nil, fs.ErrPermission, "Authorization Violation"},
				"the signature of others": {[]nats.Option{nats.Nkey(public, stranger.Sign)}, fs.ErrPermission, "Authorization Violation"},
			},
		},
		{
			name:   "credentials file",
			demand: operator.demand(t),
			open:   []nats.Option{nats.UserCredentials(operator.credentials(t))},
			refused: map[string]refusal{
				"no credentials":        {nil, fs.ErrPermission, "Authorization Violation"},
				"of a foreign operator": {[]nats.Option{nats.UserCredentials(another.credentials(t))}, fs.ErrPermission, "Authorization Violation"},
			},
		},
		{
			name: "certificates of both sides",
			demand: func(o *natsserver.Options) {
				o.TLS, o.TLSVerify, o.TLSTimeout = true, true, 5
				o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{ours}, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert}
			},
			open: []nats.Option{nats.Secure(&tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{ours}})},
			refused: map[string]refusal{
				"an authority not known": {nil, nil, "certificate"},
				"no certificate":         {[]nats.Option{nats.Secure(&tls.Config{RootCAs: trusted})}, nil, ""},
				"a certificate of others": {[]nats.Option{nats.Secure(&tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{theirs}})},
					nil, ""},
			},
		},
	}
}

// certificates makes an authority, and two certificates of it for 127.0.0.1.
func certificates(t *testing.T) (authority *x509.CertPool, a, b tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	authority = x509.NewCertPool()
	authority.AddCert(ca)
	var made [2]tls.Certificate
	for i := range made {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(int64(i) + 2), Subject: pkix.Name{CommonName: "node"},
			NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			KeyUsage:    x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, ca, &own.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		made[i] = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}
	}
	return authority, made[0], made[1]
}

func TestCredentialsAndTLSReachTheServer(t *testing.T) {
	t.Parallel()
	for _, d := range doors(t) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			url := startServer(t, d.demand)
			for word, mode := range modes {
				q := openQueue(t, url, "secure-"+word, &jetstream.Config{Mode: mode, NATS: d.open})
				if err := q.Send(t.Context(), mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
					t.Fatal(err)
				}
				if m, err := q.Receive(t.Context()); err != nil || string(m.Data) != "hello" {
					t.Errorf("%q, %v", m.Data, err)
				}
			}
			for name, r := range d.refused {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				q, err := jetstream.Open(ctx, url, "secure", &jetstream.Config{NATS: r.options})
				if ended := ctx.Err(); err == nil || ended != nil || r.kind != nil && !errors.Is(err, r.kind) || !strings.Contains(err.Error(), r.text) {
					t.Errorf("%s: %v, %v", name, err, ended)
				} else {
					t.Logf("%s: %v", name, err)
				}
				cancel()
				if err == nil {
					q.Close()
				}
			}
		})
	}
}
