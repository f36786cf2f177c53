package integration_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"ipcmq/mq"
)

func TestBridgeShowsItsPassword(t *testing.T) {
	t.Parallel()
	url := startServer(t, func(o *natsserver.Options) { o.Username, o.Password = "bridge", "secret" })
	with := func(userinfo string) string { return strings.Replace(url, "//", "//"+userinfo+"@", 1) }
	js := openQueue(t, with("bridge:secret"), "secure", nil)
	kernel, id := newKernelQueue(t)
	sendAll(t, kernel, mq.Message{Type: 1})

	refused := startBridge(t, "-server", with("bridge:guessed"), id, "js:secure")
	refused.wait(t, 1, "does not admit this user")
	if strings.Contains(refused.text.String(), "guessed") {
		t.Errorf("it tells the password: %s", &refused.text)
	}
	b := startBridge(t, "-server", with("bridge:secret"), id, "js:secure")
	receiveAll(t, js, mq.Message{Type: 1})
	b.stop(t, 0)
}

func TestBridgeShowsItsCertificate(t *testing.T) {
	t.Parallel()
	trusted, servers, ours := certificates(t)
	url := startServer(t, func(o *natsserver.Options) {
		o.TLS, o.TLSVerify, o.TLSTimeout = true, true, 5
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{servers}, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert}
	})
	dir := t.TempDir()
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(ours.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	ca := file("ca", "CERTIFICATE", servers.Certificate[0]) // of this server alone
	cert := file("cert", "CERTIFICATE", ours.Certificate[0])
	keyFile := file("key", "PRIVATE KEY", key)

	kernel, id := newKernelQueue(t)
	sendAll(t, kernel, mq.Message{Type: 1})
	startBridge(t, "-server", url, "-create", id, "js:secure").wait(t, 1, "TLS")
	startBridge(t, "-server", url, "-create", "-ca", ca, id, "js:secure").wait(t, 1, "TLS")
	b := startBridge(t, "-server", url, "-create", "-v", "-ca", ca, "-cert", cert, "-key", keyFile, id, "js:secure")
	b.says(t, "forwarding")
	kernelHolds(t, kernel, 0)
	b.stop(t, 0, "1 forwarded")
}
