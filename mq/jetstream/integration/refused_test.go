package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

// The password of a user changes, and changes back.
func TestAHandleOutlivesAPasswordThatIsWrongForAWhile(t *testing.T) {
	t.Parallel()
	var options *natsserver.Options
	s := start(t, &server.Options{Configure: func(o *natsserver.Options) {
		o.Users = []*natsserver.User{{Username: "clerk", Password: "old"}}
		options = o
	}})
	change := func(password string) {
		t.Helper()
		o := options.Clone()
		o.Users = []*natsserver.User{{Username: "clerk", Password: password}}
		if err := s.NATS().ReloadOptions(o); err != nil {
			t.Fatal(err)
		}
	}
	q := openQueue(t, s.URL(), "guarded", &jetstream.Config{NATS: []nats.Option{nats.UserInfo("clerk", "old")}})
	waits := receiving(t.Context(), q)
	change("new")
	began := time.Now()
	await(t, func() error {
		err := q.TrySend(mq.Message{Type: 1})
		if !errors.Is(err, mq.ErrUnavailable) || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "does not admit this user") {
			return fmt.Errorf("TrySend while the password is wrong: %v", err)
		}
		if time.Since(began) < 2*time.Second { // and it stays so
			return errors.New("not long enough")
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := q.Send(ctx, mq.Message{Type: 1}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Send while the password is wrong: %v", err)
	}
	change("old")
	if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
		t.Error(err)
	}
	if err := waits.wait(t); err != nil {
		t.Errorf("Receive: %v", err)
	}
}

// A connection of the user's own that gives up says why.
func TestAConnectionThatWasRefusedSaysSo(t *testing.T) {
	t.Parallel()
	var options *natsserver.Options
	s := start(t, &server.Options{Configure: func(o *natsserver.Options) {
		o.Users = []*natsserver.User{{Username: "clerk", Password: "old"}}
		options = o
	}})
	nc, err := nats.Connect(s.URL(), nats.UserInfo("clerk", "old"), nats.ReconnectBufSize(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	q, err := jetstream.OpenConn(t.Context(), nc, "guarded", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	o := options.Clone()
	o.Users = []*natsserver.User{{Username: "clerk", Password: "new"}}
	if err := s.NATS().ReloadOptions(o); err != nil {
		t.Fatal(err)
	}
	await(t, func() error {
		err := q.TrySend(mq.Message{Type: 1})
		if !errors.Is(err, mq.ErrClosed) || !strings.Contains(err.Error(), "does not admit this user") {
			return err
		}
		return nil
	})
}
