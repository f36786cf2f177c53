package sysv_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// A language is one in which programs on the other side of a queue are written.
type language struct {
	need    string     // what must be installed
	source  string     // the program, in testdata
	check   [][]string // alternatives, one of which must succeed
	run     [][]string // how to run the program after the check of the same index
	maxType int64
}

// In check and run, SOURCE is the path of the source and PEER that of the
// program compiled from it.
var languages = map[string]language{
	"C": {
		need: "a C compiler, cc", source: "peer.c", maxType: math.MaxInt64,
		check: [][]string{{"cc", "-Wall", "-o", "PEER", "SOURCE"}},
		run:   [][]string{{"PEER"}},
	},
	"Perl": {
		need: "perl", source: "peer.pl", maxType: math.MaxInt64,
		check: [][]string{{"perl", "-c", "SOURCE"}},
		run:   [][]string{{"perl", "SOURCE"}},
	},
	"PHP": {
		need: "php with the extension sysvmsg", source: "peer.php", maxType: math.MaxInt64,
		check: [][]string{{"php", "-r", `exit(extension_loaded("sysvmsg") ? 0 : 1);`}},
		run:   [][]string{{"php", "SOURCE"}},
	},
	"Python": {
		need: "python3 with the module sysv_ipc", source: "peer.py",
		maxType: math.MaxInt32, // sysv_ipc refuses more
		// The first python3 on the PATH may not be the one with the
		// modules that the system installs.
		check: [][]string{{"/usr/bin/python3", "-c", "import sysv_ipc"}, {"python3", "-c", "import sysv_ipc"}},
		run:   [][]string{{"/usr/bin/python3", "SOURCE"}, {"python3", "SOURCE"}},
	},
}

// A peer is a running program in another language.
type peer struct {
	testing.TB
	pid     int
	input   io.Writer
	answers *bufio.Scanner
}

// start starts a program in the language, on the queue with the given key. It
// ends with the test, which fails if the program failed.
func (l language) start(tb testing.TB, key sysv.Key) *peer {
	tb.Helper()
	paths := strings.NewReplacer("SOURCE", filepath.Join("testdata", l.source), "PEER", filepath.Join(tb.TempDir(), "peer"))
	command := func(words []string) *exec.Cmd {
		words = slices.Clone(words)
		for i, w := range words {
			words[i] = paths.Replace(w)
		}
		return exec.Command(words[0], words[1:]...)
	}
	var lacking []error
	works := slices.IndexFunc(l.check, func(words []string) bool {
		out, err := command(words).CombinedOutput()
		if err != nil {
			lacking = append(lacking, fmt.Errorf("%v: %w: %s", words, err, bytes.TrimSpace(out)))
		}
		return err == nil
	})
	if works < 0 {
		testutil.Lacking(tb, fmt.Sprintf("%s (%v)", l.need, errors.Join(lacking...)))
	}

	// C's key_t is signed, and Perl would not find the queue otherwise.
	cmd := command(append(slices.Clone(l.run[works]), fmt.Sprint(int32(key))))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	answers := bufio.NewScanner(stdout)
	answers.Buffer(nil, 1<<20)
	tb.Cleanup(func() {
		stdin.Close()
		if tb.Failed() {
			cmd.Process.Kill()
		}
		if err := cmd.Wait(); err != nil && !tb.Failed() {
			tb.Errorf("%v: %v", cmd, err)
		}
	})
	return &peer{tb, cmd.Process.Pid, stdin, answers}
}

// order writes a line to the program.
func (p *peer) order(format string, args ...any) {
	p.Helper()
	if _, err := fmt.Fprintf(p.input, format+"\n", args...); err != nil {
		p.Fatal(err)
	}
}

// answer reads a line from the program.
func (p *peer) answer() string {
	p.Helper()
	if !p.answers.Scan() {
		p.Fatalf("the peer has ended: %v", p.answers.Err())
	}
	return p.answers.Text()
}

// keyedQueue makes a queue whose key, as C sees it, is positive or negative.
func keyedQueue(tb testing.TB, negative bool) (*sysv.Queue, sysv.Key) {
	tb.Helper()
	for {
		key := sysv.Key(1 + rand.Uint32N(1<<31-2))
		if negative {
			key |= 1 << 31
		}
		q, err := sysv.Open(key, &sysv.Config{Exclusive: true})
		if errors.Is(err, fs.ErrExist) {
			continue // somebody else's, if the namespace is not private
		}
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := errors.Join(q.Remove(), q.Close()); err != nil {
				tb.Error(err)
			}
		})
		return q, key
	}
}

// bodies are payloads that a program would change if it treated them as text.
func bodies() map[string][]byte {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return map[string][]byte{
		"Empty":       {},
		"Text":        []byte("hello"),
		"UTF8":        []byte("Grüße, 世界"),
		"NUL":         {0},
		"NULsAround":  []byte("\x00\x00a\x00b\x00\x00"),
		"Newlines":    []byte("\r\n\n"),
		"EveryByte":   every,
		"8192bytes":   bytes.Repeat(every, 32),
		"OddLength":   bytes.Repeat([]byte{0xff}, 4095),
		"SpacesAtEnd": []byte("a  "),
	}
}

func TestEveryByteArrivesBothWays(t *testing.T) {
	for name, l := range languages {
		t.Run(name, func(t *testing.T) {
			q, key := keyedQueue(t, false)
			p := l.start(t, key)
			for name, body := range bodies() {
				for _, typ := range []int64{1, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64} {
					if typ > min(l.maxType, q.Capabilities().MaxType) {
						continue
					}
					if err := q.Send(t.Context(), mq.Message{Type: typ, Data: body}); err != nil {
						t.Fatal(err)
					}
					p.order("receive %d", typ)
					if got, want := p.answer(), fmt.Sprintf("%d %x", typ, body); got != want {
						t.Errorf("%s, type %d: the peer received\n%s, not\n%s", name, typ, got, want)
					}
					p.order("send %d %x", typ, body)
					if got := p.answer(); got != "ok" {
						t.Fatalf("send: %s", got)
					}
					m, err := q.TryReceive()
					if err != nil || m.Type != typ || !bytes.Equal(m.Data, body) {
						t.Errorf("%s, type %d: received %d %x, %v, not\n%x", name, typ, m.Type, m.Data, err, body)
					}
				}
			}
		})
	}
}

func TestPeersFindQueuesWithKeysAbove31Bits(t *testing.T) {
	for name, l := range languages {
		t.Run(name, func(t *testing.T) {
			q, key := keyedQueue(t, true)
			p := l.start(t, key)
			p.order("send 5 %x", "found")
			p.answer()
			if m, err := q.TryReceive(); err != nil || m.Type != 5 || string(m.Data) != "found" {
				t.Fatalf("received %d %q, %v", m.Type, m.Data, err)
			}
		})
	}
}

func TestSendWakesPeerThatWaits(t *testing.T) {
	for name, l := range languages {
		t.Run(name, func(t *testing.T) {
			q, key := keyedQueue(t, false)
			p := l.start(t, key)
			p.order("receive -7") // the lowest of the types 1 to 7
			testutil.AwaitAsleep(t, p.pid, 1, "do_msgrcv")
			for _, typ := range []int64{8, 7} {
				if err := q.Send(t.Context(), mq.Message{Type: typ, Data: []byte("up")}); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := p.answer(), fmt.Sprintf("7 %x", "up"); got != want {
				t.Errorf("the peer received %s, not %s", got, want)
			}
			if m, err := q.TryReceive(); err != nil || m.Type != 8 {
				t.Errorf("left in the queue: %+v, %v", m, err)
			}
		})
	}
}

func TestPeerWakesReceiveThatWaits(t *testing.T) {
	for name, l := range languages {
		t.Run(name, func(t *testing.T) {
			q, key := keyedQueue(t, false)
			p := l.start(t, key)
			nine, err := q.Select(mq.Type(9))
			if err != nil {
				t.Fatal(err)
			}
			received := make(chan error, 1)
			go func() {
				m, err := nine.Receive(t.Context())
				if err == nil && (m.Type != 9 || string(m.Data) != "up") {
					err = fmt.Errorf("received %+v", m)
				}
				received <- err
			}()
			testutil.AwaitAsleep(t, os.Getpid(), 1, "do_msgrcv")
			for _, typ := range []int64{8, 9} {
				p.order("send %d %x", typ, "up")
				p.answer()
			}
			if err := <-received; err != nil {
				t.Error(err)
			}
			if m, err := q.TryReceive(); err != nil || m.Type != 8 {
				t.Errorf("left in the queue: %+v, %v", m, err)
			}
		})
	}
}

// Without serialize=false, PHP does not send the bytes that its caller gave it.
func TestPHPSerializesByDefault(t *testing.T) {
	q, key := keyedQueue(t, false)
	php := languages["PHP"].start(t, key)
	for name, body := range bodies() {
		if len(body) > 8000 {
			body = body[:8000] // leaves room for what PHP adds
		}
		serialized := fmt.Appendf(nil, `s:%d:"%s";`, len(body), body)

		php.order("send 1 %x serialized", body)
		php.answer()
		m, err := q.TryReceive()
		if err != nil || !bytes.Equal(m.Data, serialized) {
			t.Errorf("%s: received %q, %v, not %q", name, m.Data, err, serialized)
		}

		if err := q.Send(t.Context(), mq.Message{Type: 1, Data: serialized}); err != nil {
			t.Fatal(err)
		}
		php.order("receive 1 serialized")
		if got, want := php.answer(), fmt.Sprintf("1 %x", body); got != want {
			t.Errorf("%s: PHP unserialized %s, not %s", name, got, want)
		}
	}
}

func TestPHPLosesRawBodiesByDefault(t *testing.T) {
	q, key := keyedQueue(t, false)
	php := languages["PHP"].start(t, key)
	if err := q.Send(t.Context(), mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	php.order("receive 1 serialized")
	if got := php.answer(); got != "failed" {
		t.Errorf("PHP answers %q", got)
	}
	if m, err := q.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
		t.Errorf("left in the queue: %+v, %v", m, err)
	}
}
