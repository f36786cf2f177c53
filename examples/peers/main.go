// Peers shares one queue with programs in C, PHP, Perl, Python, Node and Ruby: each
// waits for messages of its own type, and answers with that type plus 100. A program with
// baseplate uses POSIX queues. Languages that are not installed are left out.
//
//	go run ./examples/peers
//
// README.md has a pair of programs to copy in each language.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

//go:embed programs
var sources embed.FS

// A peer is a program in another language.
type peer struct {
	language string
	needs    string
	prepare  []string // compiles it, or fails if something is missing
	run      []string
}

// python returns the Python with the system's modules, often not the first in PATH.
func python() string {
	const system = "/usr/bin/python3"
	if exec.Command(system, "-c", "import sysv_ipc").Run() != nil {
		return "python3"
	}
	return system
}

func peers() []peer {
	return []peer{
		{"C", "cc", []string{"cc", "-o", "peer", "peer.c"}, []string{"./peer"}},
		{"PHP", "sysvmsg", []string{"php", "--ri", "sysvmsg"}, []string{"php", "peer.php"}},
		{"Perl", "perl", []string{"perl", "-c", "peer.pl"}, []string{"perl", "peer.pl"}},
		{"Python", "sysv_ipc", []string{python(), "-c", "import sysv_ipc"}, []string{python(), "peer.py"}},
		{"Node", "svmq", []string{"node", "-e", "require('svmq')"}, []string{"node", "peer.js"}},
		{"Ruby", "fiddle", []string{"ruby", "-rfiddle", "-e", ""}, []string{"ruby", "peer.rb"}},
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, sources); err != nil {
		return err
	}

	// In C, ftok(3) makes the same key from the same path and letter.
	key, err := sysv.Ftok(dir, 'p')
	if err != nil {
		return err
	}
	q, err := sysv.Open(key, &sysv.Config{Exclusive: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Remove(), q.Close()) }()

	// The programs share the queue: each takes messages of one type only.
	var running []*exec.Cmd
	for i, p := range peers() {
		if err := command(ctx, dir, p.prepare).Run(); err != nil {
			fmt.Printf("%s is left out, without %s: %v\n", p.language, p.needs, err)
			continue
		}
		cmd := command(ctx, dir, p.run, strconv.Itoa(int(int32(key))), strconv.Itoa(i+1))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		running = append(running, cmd)

		fmt.Printf("%s waits for type %d\n", p.language, i+1)
		hello := mq.Message{Type: int64(i + 1), Data: []byte("hello, " + p.language)}
		if err := q.Send(ctx, hello); err != nil {
			return err
		}
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%v: %w", cmd, err)
		}
	}

	// The programs have ended, but their messages are in the queue. UpTo takes the
	// lowest type first.
	answers, err := q.Select(mq.UpTo(200))
	if err != nil {
		return err
	}
	for {
		m, err := answers.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			return baseplate(ctx, dir)
		}
		if err != nil {
			return err
		}
		fmt.Printf("type %d: %s\n", m.Type, m.Data)
	}
}

// baseplate sends a message to a program that uses Baseplate, through a POSIX queue, and
// prints the answer.
func baseplate(ctx context.Context, dir string) (err error) {
	if err := exec.CommandContext(ctx, python(), "-c", "import baseplate.lib.message_queue").Run(); err != nil {
		fmt.Printf("Baseplate is left out, without its module: %v\n", err)
		return nil
	}
	// Baseplate creates queues with mode 0644, and opens existing ones as they are.
	var queues [2]*posix.Queue
	for i := range queues {
		q, err := posix.Open("/ipcmq-peers-"+rand.Text(), &posix.Config{Exclusive: true, MaxMessages: 1, MaxMessageSize: 1024})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, q.Unlink(), q.Close()) }()
		queues[i] = q
	}
	if err := queues[0].Send(ctx, mq.Message{Data: []byte("hello, Baseplate")}); err != nil {
		return err
	}
	cmd := command(ctx, dir, []string{python(), "peer_baseplate.py"}, queues[0].Name(), queues[1].Name())
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	m, err := queues[1].Receive(ctx)
	fmt.Printf("%s\n", m.Data)
	return err
}

// command returns a command that runs in dir.
func command(ctx context.Context, dir string, words []string, args ...string) *exec.Cmd {
	words = append(words[:len(words):len(words)], args...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = filepath.Join(dir, "programs")
	return cmd
}
