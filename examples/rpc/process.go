package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"

	"ipcmq/mq/sysv"
)

// envSelf has the name of a process, such as "server 1", and the id of the queue. It
// is not set in the parent.
const envSelf = "RPC_SELF"

const parent = "parent" // its name

// self returns the name of this process and opens the queue, which the parent creates.
func self() (name string, q *sysv.Queue, err error) {
	value := os.Getenv(envSelf)
	if value == "" {
		q, err = sysv.Open(sysv.Private, nil)
		return parent, q, err
	}
	var role string
	var number, id int
	if _, err := fmt.Sscan(value, &role, &number, &id); err != nil {
		return "", nil, fmt.Errorf("%s=%q: %w", envSelf, value, err)
	}
	q, err = sysv.OpenID(id, nil)
	return fmt.Sprint(role, " ", number), q, err
}

// A staff holds the processes that the parent has started.
type staff struct {
	queue int // its id

	mu      sync.Mutex
	running map[string]*process
}

type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // valid when ended is closed
}

// start runs this program again, under a name.
func (s *staff) start(name string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	p := &process{cmd: exec.Command(exe), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", envSelf, name, s.queue))
	p.cmd.Stdout, p.cmd.Stderr = os.Stdout, os.Stderr
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	s.running[name] = p
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return nil
}

func (s *staff) find(name string) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.running[name]
	if p == nil {
		return nil, fmt.Errorf("there is no %q", name)
	}
	return p, nil
}

// kill ends a process with SIGKILL, so that it cannot clean up.
func (s *staff) kill(name string) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	err = p.cmd.Process.Kill()
	<-p.ended
	return err
}

// wait waits until a process has ended.
func (s *staff) wait(name string) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	<-p.ended
	if p.err != nil {
		return fmt.Errorf("%s: %w", name, p.err)
	}
	return nil
}

// dismiss stops the running processes of a role, one after the other, and kills the
// rest.
func (s *staff) dismiss(role string) (err error) {
	s.mu.Lock()
	var names []string
	for name, p := range s.running {
		select {
		case <-p.ended:
		default:
			names = append(names, name)
		}
	}
	s.mu.Unlock()
	slices.Sort(names)
	for _, name := range names {
		if !strings.HasPrefix(name, role) {
			err = errors.Join(err, s.kill(name))
			continue
		}
		p, _ := s.find(name)
		err = errors.Join(err, p.cmd.Process.Signal(syscall.SIGTERM), s.wait(name))
	}
	return err
}
