package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

const (
	streamSocket    = syscall.SOCK_STREAM
	seqpacketSocket = syscall.SOCK_SEQPACKET
	datagramSocket  = syscall.SOCK_DGRAM
)

// The first descriptor of the files that processes inherit.
const firstFile = 3

// meetSockets makes a pair of connected Unix sockets.
func meetSockets(kind int) func(context.Context, *bench, *job) (meeting, error) {
	return func(context.Context, *bench, *job) (meeting, error) {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, kind|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return meeting{}, os.NewSyscallError("socketpair", err)
		}
		a, b := os.NewFile(uintptr(pair[0]), "first"), os.NewFile(uintptr(pair[1]), "second")
		return meeting{files: []*os.File{a, b}, remove: ends(a.Close, b.Close)}, nil
	}
}

// openConn opens the socket of the process as a conn.
func openConn(wrap func(net.Conn) conn) func(context.Context, job) (end, error) {
	return func(_ context.Context, j job) (end, error) {
		fd := firstFile
		if !j.first() {
			fd++
		}
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			return end{}, err
		}
		return connEnd(wrap(c)), nil
	}
}

// frames puts the length before each message.
type frames struct {
	io.WriteCloser
	in    *bufio.Reader
	out   *bufio.Writer // nil: one write for each message
	frame []byte
	data  []byte
}

// buffered makes the end that open opens buffer its messages.
func buffered(open func(context.Context, job) (end, error)) func(context.Context, job) (end, error) {
	return func(ctx context.Context, j job) (end, error) {
		e, err := open(ctx, j)
		if err != nil {
			return e, err
		}
		e.frames.out = bufio.NewWriterSize(e.frames.WriteCloser, maxSize)
		e.flush = func(context.Context) error { return e.frames.out.Flush() }
		return e, nil
	}
}

// largest is the largest message of a stream.
const largest = 16 << 20

// lengthSize is the size of the length before a message in a stream, in bytes.
const lengthSize = 4

func newStream(c net.Conn) conn { return newFrames(c, c) }

func newFrames(r io.Reader, w io.WriteCloser) conn {
	return &frames{WriteCloser: w, in: bufio.NewReaderSize(r, 64<<10)}
}

func (s *frames) send(data []byte) error {
	if s.out != nil {
		s.frame = binary.NativeEndian.AppendUint32(s.frame[:0], uint32(len(data)))
		if _, err := s.out.Write(s.frame); err != nil {
			return err
		}
		_, err := s.out.Write(data)
		return err
	}
	s.frame = binary.NativeEndian.AppendUint32(s.frame[:0], uint32(len(data)))
	if len(data) > idSize+maxSize { // two writes cost less than a copy
		if _, err := s.Write(s.frame); err != nil {
			return err
		}
		_, err := s.Write(data)
		return err
	}
	s.frame = append(s.frame, data...)
	_, err := s.Write(s.frame)
	return err
}

func (s *frames) receive() ([]byte, error) {
	head, err := s.in.Peek(lengthSize)
	if err != nil {
		return nil, err
	}
	n := int(binary.NativeEndian.Uint32(head))
	if n > largest {
		return nil, fmt.Errorf("length %d exceeds %d", n, largest)
	}
	if _, err := s.in.Discard(lengthSize); err != nil {
		return nil, err
	}
	if cap(s.data) < n {
		s.data = make([]byte, max(n, idSize+maxSize))
	}
	_, err = io.ReadFull(s.in, s.data[:n])
	return s.data[:n], err
}

// packets need no frames.
type packets struct {
	net.Conn
	data []byte
}

func newPackets(c net.Conn) conn { return &packets{c, make([]byte, idSize+maxSize)} }

func (p *packets) send(data []byte) error {
	_, err := p.Write(data)
	return err
}

func (p *packets) receive() ([]byte, error) {
	n, err := p.Read(p.data)
	return p.data[:n], err
}
