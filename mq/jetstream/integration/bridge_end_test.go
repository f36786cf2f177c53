package integration_test

import (
	"fmt"
	"strings"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func TestBridgeEndsWithItsQueues(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	removals := map[string]func(t *testing.T, js *jetstream.Queue) (args []string, remove func() error){
		"kernel source": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			kernel, id := newKernelQueue(t)
			return []string{id, "js:" + js.Name()}, kernel.Remove
		},
		"kernel target": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			kernel, id := newKernelQueue(t)
			return []string{"js:" + js.Name(), id}, kernel.Remove
		},
		"JetStream source": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			_, id := newKernelQueue(t)
			return []string{"js:" + js.Name(), id}, js.Remove
		},
		"JetStream target": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			_, id := newKernelQueue(t)
			return []string{id, "js:" + js.Name()}, js.Remove
		},
		"POSIX source": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			q := newPosixQueue(t)
			return []string{"-priorities", q.Name(), "js:" + js.Name()}, func() error { return posix.Unlink(q.Name()) }
		},
		// The bridge has a message in hand by then.
		"POSIX target": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			q := newPosixQueue(t)
			for q.TrySend(mq.Message{}) == nil {
			}
			sendAll(t, js, mq.Message{Type: 1, Data: []byte("stays")})
			return []string{"-priorities", "js:" + js.Name(), q.Name()}, func() error {
				holds(t, js, 1, 1)
				if err := posix.Unlink(q.Name()); err != nil {
					return err
				}
				_, err := q.Receive(t.Context()) // there is room now, in the queue that is gone
				return err
			}
		},
	}
	for name, prepare := range removals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := openQueue(t, url, newName(), nil)
			args, remove := prepare(t, js)
			b := startBridge(t, append([]string{"-server", url}, args...)...)
			if name != "POSIX target" {
				// It works once a message has come through.
				crossOnce(t, js, args)
			}
			if err := remove(); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "POSIX") {
				b.wait(t, 1, "unlinked")
			} else {
				b.wait(t, 1, "removed")
			}
			if name == "POSIX target" {
				receiveAll(t, js, mq.Message{Type: 1, Data: []byte("stays")}) // and is not lost with the queue
			}
		})
	}
}

// crossOnce has one message cross a bridge with the arguments args.
func crossOnce(t *testing.T, js *jetstream.Queue, args []string) {
	t.Helper()
	from, to := args[len(args)-2], args[len(args)-1]
	kernel := func(address string) mq.Queue {
		var id int
		if _, err := fmt.Sscanf(address, "id:%d", &id); err == nil {
			q, err := sysv.OpenID(id, nil)
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
		q, err := posix.Open(address, &posix.Config{OpenOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	if strings.HasPrefix(from, "js:") {
		q := kernel(to)
		defer q.Close()
		sendAll(t, js, mq.Message{Type: 1})
		receiveAll(t, q, mq.Message{Type: 1})
		holds(t, js, 0, 0)
		return
	}
	q := kernel(from)
	defer q.Close()
	sendAll(t, q, mq.Message{Type: 32768})
	receiveAll(t, js, mq.Message{Type: 32768})
}

func TestBridgeLeavesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	kernel, id := newKernelQueue(t)
	small := openQueue(t, url, "small", &jetstream.Config{MaxBytes: 2048})
	large := mq.Message{Type: 5, Data: make([]byte, 3000)}
	sendAll(t, kernel, large, mq.Message{Type: 1})
	startBridge(t, "-server", url, id, "js:small").wait(t, 1, "3000 bytes", "MaxBytes = 2048", "back at the end of "+id)
	receiveAll(t, kernel, mq.Message{Type: 1}, large)
	holds(t, small, 0, 0)

	larger := mq.Message{Type: 5, Data: make([]byte, 1<<17)}
	for word, mode := range modes {
		js := openQueue(t, url, "large-"+word, &jetstream.Config{Mode: mode})
		sendAll(t, js, larger)
		startBridge(t, "-server", url, "js:"+js.Name(), id).wait(t, 1, "131072 bytes", "kernel.msgmax")
		receiveAll(t, js, larger)
	}
	kernelHolds(t, kernel, 0)
}

func TestBridgeCreatesQueuesWhenTold(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	key, err := sysv.Ftok(t.TempDir(), 'b')
	if err != nil {
		t.Fatal(err)
	}
	startBridge(t, "-server", url, key.String(), "js:new").wait(t, 1, "open", key.String())
	_, id := newKernelQueue(t)
	startBridge(t, "-server", url, id, "js:new").wait(t, 1, "no such queue")

	b := startBridge(t, "-server", url, "-create", key.String(), "js:new")
	var kernel *sysv.Queue
	await(t, func() (err error) {
		kernel, err = sysv.Open(key, &sysv.Config{OpenOnly: true})
		return err
	})
	defer func() { kernel.Remove(); kernel.Close() }()
	sendAll(t, kernel, mq.Message{Type: 2})
	var js *jetstream.Queue
	await(t, func() (err error) {
		js, err = jetstream.Open(t.Context(), url, "new", &jetstream.Config{OpenOnly: true})
		return err
	})
	defer js.Close()
	receiveAll(t, js, mq.Message{Type: 2})
	b.stop(t, 0)
}

func TestBridgeRefusesWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, text string }{
		{"", "FROM and TO"},
		{"42", "FROM and TO"},
		{"42 js:a -v", "FROM and TO"},
		{"-what 42 js:a", "-what"},
		{"42 43", "both queues of the kernel"},
		{"js:a js:b", "both on JetStream"},
		{"js: 42", "the name of the queue is missing"},
		{"js:a.b 42", "cannot be in the name"},
		{"0 js:a", "it is a key"},
		{"id:x js:a", "the id is a number"},
		{"ftok:/etc js:a", "ftok:PATH,A"},
		{"ftok:/etc,300 js:a", "a number up to 255"},
		{"ftok:/not/there,A js:a", "no such file"},
		{"-type !0 42 js:a", "it is 0 (any)"},
		{"-type 7 -priorities /jobs js:a", "messages of POSIX queues have no type"},
		{"/jobs js:a", "with -priorities, priority P is type 32768-P"},
		{"js:a /jobs", "with -priorities, priority P is type 32768-P"},
		{"-priorities 42 js:a", "neither 42 nor js:a is a POSIX queue"},
		{"-grace -1s 42 js:a", "-grace -1s"},
		{"-cert a 42 js:a", "-cert and -key"},
		{"-creds /not/there 42 js:a", "open /not/there"},
		{"-ca /not/there 42 js:a", "open /not/there"},
	} {
		kernel, id := newKernelQueue(t)
		args := strings.Fields(c.args)
		for i := range args {
			if args[i] == "42" && strings.Contains(c.args, "a.b") {
				args[i] = id // this is found when the queue is opened
			}
		}
		startBridge(t, args...).wait(t, 2, c.text, "see ipcmq-bridge -h")
		kernelHolds(t, kernel, 0)
	}
	b := startBridge(t, "-h")
	b.wait(t, 0)
	if !strings.Contains(b.out.String(), "ipcmq-bridge -server nats://10.0.0.5:4222 0x2a js:orders") || b.text.String() != "" {
		t.Errorf("the help is %q and %q", b.out.String(), b.text.String())
	}
}
