package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/pair"
	"go.nanomsg.org/mangos/v3/protocol/pull"
	"go.nanomsg.org/mangos/v3/protocol/push"
	"go.nanomsg.org/mangos/v3/protocol/rep"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/ipc"
)

func meetMangos(_ context.Context, b *bench, j *job) (meeting, error) {
	path := filepath.Join(b.programs, rand.Text())
	j.There = "ipc://" + path
	return meeting{remove: func() error {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}}, nil
}

// openMangos opens the kind of socket for the role: push and pull, pair, or requests
// and replies.
func openMangos(ctx context.Context, j job) (end, error) {
	s, err := map[role]func() (mangos.Socket, error){
		send: push.NewSocket, take: pull.NewSocket, ping: pair.NewSocket, echo: pair.NewSocket, ask: req.NewSocket, serve: rep.NewSocket,
	}[j.Role]()
	if err != nil {
		return end{}, err
	}
	detached := make(chan struct{}, 1)
	s.SetPipeEventHook(func(e mangos.PipeEvent, _ mangos.Pipe) {
		if e == mangos.PipeEventDetached {
			select {
			case detached <- struct{}{}:
			default:
			}
		}
	})
	switch j.Role {
	case take, echo, serve:
		err = s.Listen(j.There)
	default:
		err = s.DialOptions(j.There, map[string]any{mangos.OptionDialAsynch: true})
	}
	if err != nil {
		return end{}, err
	}
	e := end{
		sender: sendFunc(func(_ context.Context, data []byte) error { return sendMangos(s, data) }),
		receive: func(_ context.Context, handle func([]byte) bool) error {
			for {
				m, err := s.RecvMsg()
				if err != nil {
					return err
				}
				more := handle(m.Body)
				m.Free()
				if !more {
					return nil
				}
			}
		},
		call:  mangosCaller(s),
		serve: func(_ context.Context, n int) error { return serveMangos(s, n) },
		close: s.Close,
	}
	if !j.first() {
		// Sent messages may still be on their way: the other side ends first.
		e.close = func() error {
			select {
			case <-detached:
			case <-ctx.Done():
			}
			return s.Close()
		}
	}
	return e, nil
}

// A messenger is a socket of mangos, or a context of a socket.
type messenger interface {
	SendMsg(*mangos.Message) error
	RecvMsg() (*mangos.Message, error)
}

func sendMangos(to messenger, data []byte) error {
	m := mangos.NewMessage(len(data))
	m.Body = append(m.Body, data...)
	return to.SendMsg(m)
}

// mangosCaller returns call, which uses a context of the socket for each concurrent
// call.
func mangosCaller(s mangos.Socket) func(context.Context, []byte) ([]byte, error) {
	free := make(chan mangos.Context, 64)
	return func(_ context.Context, data []byte) ([]byte, error) {
		var c mangos.Context
		select {
		case c = <-free:
		default:
			var err error
			if c, err = s.OpenContext(); err != nil {
				return nil, err
			}
		}
		if err := sendMangos(c, data); err != nil {
			return nil, err
		}
		m, err := c.RecvMsg()
		if err != nil {
			return nil, err
		}
		reply := append([]byte(nil), m.Body...)
		m.Free()
		select {
		case free <- c:
		default:
			return reply, c.Close()
		}
		return reply, nil
	}
}

// serveMangos answers from as many contexts as there are processors.
func serveMangos(s mangos.Socket, n int) error {
	total, errs := make(chan struct{}, n), make(chan error, runtime.NumCPU())
	for range n {
		total <- struct{}{}
	}
	close(total)
	for range runtime.NumCPU() {
		c, err := s.OpenContext()
		if err != nil {
			return err
		}
		go func() {
			for range total {
				m, err := c.RecvMsg()
				if err == nil {
					err = c.SendMsg(m)
				}
				if err != nil {
					errs <- fmt.Errorf("serving: %w", err)
					return
				}
			}
			errs <- nil
		}()
	}
	for range runtime.NumCPU() {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}
