package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A server is a process that carries messages between others.
type server struct {
	cmd   *exec.Cmd
	line  string // what it printed when it was ready
	ended chan struct{}
}

// startServer runs a server until stop. It is ready when it prints a line that
// matches ready.
func startServer(ctx context.Context, cmd *exec.Cmd, ready *regexp.Regexp) (*server, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	// The server ends with the thread that starts it, so keep the thread.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s := &server{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(s.ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	err = <-started
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	var said strings.Builder
	found := make(chan string, 1)
	go func() {
		defer r.Close()
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
			if ready.MatchString(lines.Text()) {
				found <- lines.Text()
				_, _ = io.Copy(io.Discard, r)
				return
			}
		}
		close(found)
	}()
	select {
	case line, ok := <-found:
		if !ok {
			<-s.ended
			return nil, fmt.Errorf("%s ended: %s", filepath.Base(cmd.Path), said.String())
		}
		s.line = line
		return s, nil
	case <-ctx.Done():
		s.stop()
		return nil, context.Cause(ctx)
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// processorTime returns the processor time of all threads of the server.
func (s *server) processorTime() time.Duration {
	if s == nil {
		return 0
	}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	var total time.Duration
	for _, f := range files {
		ns, _, _ := strings.Cut(readLine(f), " ")
		n, _ := strconv.ParseInt(ns, 10, 64) // a thread that has just ended counts for nothing
		total += time.Duration(n)
	}
	return total
}

// server returns the server of that name, which start runs once.
func (b *bench) server(name string, start func() (*server, error)) (*server, error) {
	if s, ok := b.servers[name]; ok {
		if s == nil {
			return nil, errNotThere
		}
		return s, nil
	}
	if b.servers == nil {
		b.servers = map[string]*server{}
	}
	s, err := start()
	if err != nil && !errors.Is(err, errNotThere) {
		return nil, err
	}
	b.servers[name] = s
	return s, err
}

func (b *bench) stopServers() {
	for _, s := range b.servers {
		if s != nil {
			s.stop()
		}
	}
}
