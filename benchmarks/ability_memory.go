package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

// uninterrupted repeats calls that a signal interrupts.
func uninterrupted(f func() error) error {
	for {
		if err := f(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// stacks sends and receives in goroutines, each with a little more on its stack than
// the one before, so that the stacks grow, and therefore move, at every possible place
// in the calls.
func (a attempt) stacks() (string, bool, error) {
	q, _, err := a.queue()
	if err != nil {
		return "", false, err
	}
	var wrong int
	for i := range a.repeats {
		want := bytes.Repeat([]byte{byte(i)}, 256)
		done := make(chan error)
		var got []byte
		go func() {
			done <- deeper(i%200, func() error {
				if err := uninterrupted(func() error { return q.send(1, want) }); err != nil {
					return err
				}
				return uninterrupted(func() (err error) { _, got, err = q.receive(); return err })
			})
		}()
		if err := <-done; err != nil {
			return err.Error(), false, nil
		}
		if !bytes.Equal(got, want) {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Sprintf("%d of %d payloads are wrong", wrong, a.repeats), false, nil
	}
	return "yes", true, nil
}

// deeper calls f with n more calls on the stack.
//
//go:noinline
func deeper(n int, f func() error) error {
	if n == 0 {
		return f()
	}
	var frame [64]byte
	err := deeper(n-1, f)
	runtime.KeepAlive(&frame)
	return err
}

// memory compares the memory of the process after some messages and after many.
func (a attempt) memory() (string, bool, error) {
	q, _, err := a.queue()
	if err != nil {
		return "", false, err
	}
	data := make([]byte, 1024)
	many := func(n int) error {
		for range n {
			if err := uninterrupted(func() error { return q.send(1, data) }); err != nil {
				return err
			}
			if err := uninterrupted(func() error { _, _, err := q.receive(); return err }); err != nil {
				return err
			}
		}
		return nil
	}
	if err := many(a.repeats); err != nil {
		return err.Error(), false, nil
	}
	before := resident()
	if err := many(2 * a.repeats); err != nil {
		return err.Error(), false, nil
	}
	grown := resident() - before
	if grown > max(int64(a.repeats*len(data)), 4<<20) {
		return fmt.Sprintf("grows by %d bytes per message of %d", grown/int64(2*a.repeats), len(data)), false, nil
	}
	return "stays", true, nil
}

// resident returns the bytes of memory that this process holds, without garbage.
func resident() int64 {
	debug.FreeOSMemory()
	_, pages, _ := strings.Cut(readLine("/proc/self/statm"), " ")
	pages, _, _ = strings.Cut(pages, " ")
	n, _ := strconv.ParseInt(pages, 10, 64)
	return n * int64(os.Getpagesize())
}
