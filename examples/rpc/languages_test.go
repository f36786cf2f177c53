package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

const requests = 7 // the type of the requests between Go and the others

//go:embed c node perl php python ruby
var programs embed.FS

// A language has a client and a server in this directory.
type language struct {
	name    string
	posix   []string // fails if something for POSIX queues is missing; nil if they cannot use one
	extra   bool     // what posix needs is not in Debian
	command []string // runs client or server; its last element is their extension
	probe   []string // fails if something that they need is missing
	needs   string
	noIDs   bool // the server opens inboxes by their keys only
	noRoom  bool // the server cannot find out the capacity of an inbox
}

var languages = []language{
	{name: "C", posix: []string{"cc", "--version"}, command: []string{"c"}, probe: []string{"cc", "--version"}, needs: "a C compiler, cc"},
	{name: "PHP", command: []string{"php", "php", ".php"}, probe: []string{"php", "--ri", "sysvmsg"},
		needs: "PHP's extension sysvmsg (Debian: php-cli)", noIDs: true},
	{name: "Node", command: []string{"node", "node", ".js"}, probe: []string{"node", "-e", "require('svmq')"},
		needs: "Node and its module svmq (npm install svmq, and its node_modules in NODE_PATH)", noRoom: true},
	{name: "Perl", command: []string{"perl", "perl", ".pl"}, probe: []string{"perl", "-MIPC::SysV", "-e1"}, needs: "Perl with its module IPC::SysV"},
	{name: "Python", command: []string{python(), "python", ".py"}, probe: []string{python(), "-c", "import sysv_ipc"},
		posix: []string{python(), "-c", "import posix_ipc"}, extra: true,
		needs: "Python's module sysv_ipc (Debian: python3-sysv-ipc)", noIDs: true},
	{name: "Ruby", posix: []string{"ruby", "-rfiddle", "-e", ""}, command: []string{"ruby", "ruby", ".rb"}, probe: []string{"ruby", "-rfiddle", "-e", ""}, needs: "Ruby with Fiddle (Debian: ruby)", noRoom: true},
}

// python returns the Python with Debian's modules, often not the first in PATH.
func python() string {
	const system = "/usr/bin/python3"
	if exec.Command(system, "-c", "import sysv_ipc").Run() == nil {
		return system
	}
	return "python3"
}

// wanted returns the languages to test: those in IPCMQ_LANGUAGES if it is set.
func wanted() []language {
	names := strings.Fields(os.Getenv("IPCMQ_LANGUAGES"))
	return slices.DeleteFunc(slices.Clone(languages), func(l language) bool { return len(names) > 0 && !slices.Contains(names, l.name) })
}

// inEach runs a test for each installed language.
func inEach(t *testing.T, test func(*testing.T, language)) {
	for _, l := range wanted() {
		t.Run(l.name, func(t *testing.T) {
			if err := l.installed(); err != nil {
				testutil.Lacking(t, err.Error())
			}
			test(t, l)
		})
	}
}

// installed returns an error if something that the programs need is missing.
func (l language) installed() error {
	out, err := exec.Command(l.probe[0], l.probe[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", l.needs, err, bytes.TrimSpace(out))
	}
	return nil
}

// program returns a command that runs a client or server on q.
func (l language) program(t *testing.T, name string, q *sysv.Queue, args ...string) *exec.Cmd {
	t.Helper()
	st, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return l.programOn(t, name, st.Key.String(), args...)
}

// programOn returns a command that runs a client or server on a queue.
func (l language) programOn(t *testing.T, name, queue string, args ...string) *exec.Cmd {
	t.Helper()
	return runWords(t, l.words(t, name), queue, args...)
}

// words returns the command line of a client or server.
func (l language) words(t *testing.T, name string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, programs); err != nil {
		t.Fatal(err)
	}
	if l.name == "C" {
		return []string{compile(t, dir, name)}
	}
	n := len(l.command)
	return append(l.command[:n-2:n-2], filepath.Join(dir, l.command[n-2], name+l.command[n-1]))
}

func runWords(t *testing.T, words []string, queue string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, words[0], slices.Concat(words[1:], []string{queue, fmt.Sprint(requests)}, args)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// compile compiles c/name.c and returns the program.
func compile(t *testing.T, dir, name string) string {
	t.Helper()
	program := filepath.Join(dir, name)
	cc := exec.Command("cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
		"-o", program, filepath.Join(dir, "c", name+".c"))
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cc, err, out)
	}
	return program
}

// newQueue creates a queue with a random key, which in C is sometimes negative.
func newQueue(t *testing.T) *sysv.Queue {
	t.Helper()
	var key [4]byte
	rand.Read(key[:])
	return openQueue(t, sysv.Key(binary.NativeEndian.Uint32(key[:])|1), nil)
}

func openQueue(t *testing.T, key sysv.Key, cfg *sysv.Config) *sysv.Queue {
	t.Helper()
	c := sysv.Config{Exclusive: true, InboxKeys: true}
	if cfg != nil {
		c = *cfg
	}
	q, err := sysv.Open(key, &c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	return q
}

// newInbox creates an inbox that servers in the language can open.
func (l language) newInbox(t *testing.T) mq.Inbox {
	t.Helper()
	return newInbox(t, openQueue(t, sysv.Private, &sysv.Config{InboxKeys: l.noIDs}))
}

func newInbox(t *testing.T, q *sysv.Queue) mq.Inbox {
	t.Helper()
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Remove(); in.Close() })
	return in
}
