package integration_test

import (
	"crypto/tls"
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
	files := newCredential(t.TempDir())
	files.write(t, servers, ours)

	kernel, id := newKernelQueue(t)
	sendAll(t, kernel, mq.Message{Type: 1})
	startBridge(t, "-server", url, "-create", id, "js:secure").wait(t, 1, "TLS")
	startBridge(t, "-server", url, "-create", "-ca", files.ca, id, "js:secure").wait(t, 1, "TLS")
	b := startBridge(t, "-server", url, "-create", "-v", "-ca", files.ca, "-cert", files.cert, "-key", files.key, id, "js:secure")
	b.says(t, "forwarding")
	kernelHolds(t, kernel, 0)
	b.stop(t, 0, "1 forwarded")
}
