package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

var abilities = []ability{
	{"empty", "an empty payload", attempt.empty},
	{"bytes", "a payload of all byte values", attempt.allBytes},
	{"largest", "the largest payload, 8192 bytes", attempt.largest},
	{"longer", "a message of 12,000 bytes, after limits were raised", attempt.longer},
	{"type", "type 2^40, or priority 32,767", attempt.largeType},
	{"signal", "50 signals while a receive waits", attempt.signals},
	{"cancel", "a waiting receive is canceled", attempt.cancelReceive},
	{"goroutines", "two goroutines send and two receive through one queue", attempt.goroutines},
	{"stacks", "sends and receives while stacks grow", attempt.stacks},
	{"memory", "memory after many messages", attempt.memory},
}

// An attempt tries an ability. Its process has an IPC namespace of its own, so it
// need not clean up.
type attempt struct {
	library library
	repeats int
}

// queue creates a queue and opens it with the library.
func (a attempt) queue() (opened, string, error) {
	b, ok := backendNamed(a.library.backend)
	if !ok {
		return opened{}, "", fmt.Errorf("no backend %q", a.library.backend)
	}
	address, _, err := b.create()
	if err != nil {
		return opened{}, "", err
	}
	q, err := a.library.open(address)
	return q, address, err
}

func (a attempt) empty() (string, bool, error)    { return a.payload(nil) }
func (a attempt) allBytes() (string, bool, error) { return a.payload(bytesUpTo(512)) }
func (a attempt) largest() (string, bool, error)  { return a.payload(bytesUpTo(maxSize)) }

// bytesUpTo returns n bytes with all values in turn.
func bytesUpTo(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i)
	}
	return data
}

func (a attempt) payload(data []byte) (string, bool, error) {
	q, _, err := a.queue()
	if err != nil {
		return "", false, err
	}
	if err := q.send(1, data); err != nil {
		return "send: " + err.Error(), false, nil
	}
	_, got, err := q.receive()
	return compare(got, data, err)
}

// compare describes the result of a receive.
func compare(got, want []byte, err error) (string, bool, error) {
	switch {
	case err != nil:
		return "receive: " + err.Error(), false, nil
	case len(got) != len(want):
		return fmt.Sprintf("%d bytes arrive", len(got)), false, nil
	case !bytes.Equal(got, want):
		return "arrives changed", false, nil
	}
	return "yes", true, nil
}

// longer lets another program send a message that was too large when this one started.
func (a attempt) longer() (string, bool, error) {
	const limit, size = 16384, 12_000
	for _, name := range []string{"kernel/msgmax", "fs/mqueue/msgsize_max"} {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(strconv.Itoa(limit)), 0); err != nil {
			return "not tried: " + err.Error(), false, nil
		}
	}
	b, _ := backendNamed(a.library.backend)
	var address string
	var err error
	if b.name == systemV.name {
		address, _, err = b.create()
	} else {
		var p *posix.Queue
		if p, err = posix.Open("/longer", &posix.Config{Exclusive: true, MaxMessages: 2, MaxMessageSize: limit}); err == nil {
			address = p.Name()
		}
	}
	if err != nil {
		return "", false, err
	}
	other, err := b.open(address)
	if err != nil {
		return "", false, err
	}
	q, err := a.library.open(address)
	if err != nil {
		return "open: " + err.Error(), false, nil
	}
	data := bytesUpTo(size)
	if err := other.TrySend(mq.Message{Type: min(1, other.Capabilities().MaxType), Data: data}); err != nil {
		return "", false, err
	}
	_, got, err := q.receive()
	found, passed, _ := compare(got, data, err)
	if err != nil {
		if _, again := other.TryReceive(); again == nil {
			found += ", and it stays first in the queue"
		}
	}
	return found, passed, nil
}

// largeType sends with a large type or priority.
func (a attempt) largeType() (string, bool, error) {
	q, _, err := a.queue()
	if err != nil {
		return "", false, err
	}
	t := int64(1) << 40
	if a.library.backend != systemV.name {
		t = 32_767
	}
	if err := q.send(t, []byte("x")); err != nil {
		return "send: " + err.Error(), false, nil
	}
	got, _, err := q.receive()
	switch {
	case err != nil:
		return "receive: " + err.Error(), false, nil
	case got == -1:
		return "receive does not return the type", false, nil
	case got != t:
		return fmt.Sprintf("receive returns %d", got), false, nil
	}
	return "yes", true, nil
}

// received is the result of a receive.
type received struct {
	data []byte
	err  error
}

// waiting starts a receive, and returns when it sleeps in the kernel or has ended too
// early.
func (a attempt) waiting(q opened) <-chan received {
	end := make(chan received, 1)
	go func() {
		_, data, err := q.receive()
		end <- received{data, err}
	}()
	await(func() bool { return len(end) > 0 || len(asleep()) > 0 })
	return end
}

// await waits until done returns true, or some seconds.
func await(done func() bool) bool {
	pause := 50 * time.Microsecond
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); pause = min(2*pause, 5*time.Millisecond) {
		if done() {
			return true
		}
		time.Sleep(pause)
	}
	return false
}

// asleep returns the threads of this process that wait for a message.
func asleep() []int {
	var threads []int
	files, _ := filepath.Glob("/proc/self/task/*/wchan")
	for _, f := range files {
		function, _, _ := strings.Cut(readLine(f), ".")
		if slices.Contains([]string{"do_msgrcv", "wq_sleep"}, function) {
			thread, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			threads = append(threads, thread)
		}
	}
	return threads
}

// signals sends the signals that the runtime itself uses to interrupt goroutines.
func (a attempt) signals() (string, bool, error) {
	q, address, err := a.queue()
	if err != nil {
		return "", false, err
	}
	end := a.waiting(q)
	sent := 0
	for range 50 {
		for _, thread := range asleep() {
			sys.Kick(thread)
			sent++
		}
		await(func() bool { return len(end) > 0 || len(asleep()) > 0 })
	}
	b, _ := backendNamed(a.library.backend)
	other, err := b.open(address)
	if err != nil {
		return "", false, err
	}
	if len(end) > 0 {
		return fmt.Sprintf("receive: %v", (<-end).err), false, nil
	}
	if sent < 50 {
		return "", false, fmt.Errorf("%d signals were sent, want 50 or more", sent)
	}
	data := []byte("after the signals")
	if err := other.TrySend(mq.Message{Type: min(1, other.Capabilities().MaxType), Data: data}); err != nil {
		return "", false, err
	}
	select {
	case r := <-end:
		return compare(r.data, data, r.err)
	case <-time.After(time.Second):
		return "never receives", false, nil
	}
}

func (a attempt) cancelReceive() (string, bool, error) {
	q, _, err := a.queue()
	if err != nil {
		return "", false, err
	}
	limited := ""
	if q.within != nil {
		if err := q.within(10 * time.Millisecond); !errors.Is(err, syscall.ETIMEDOUT) {
			return fmt.Sprintf("with a time limit: %v", err), false, nil
		}
		limited = "; a time limit can be given before"
	}
	if q.cancel == nil {
		return "no call for it" + limited, false, nil
	}
	end := a.waiting(q)
	if err := q.cancel(); err != nil {
		return "closing: " + err.Error() + limited, false, nil
	}
	select {
	case r := <-end:
		return "yes", r.err != nil, nil
	case <-time.After(time.Second):
		return "it goes on waiting when the queue is closed" + limited, false, nil
	}
}

// goroutines lets several goroutines share an opened queue. Each payload consists of
// one repeated byte.
func (a attempt) goroutines() (string, bool, error) {
	q, _, err := a.queue()
	if err != nil {
		return "", false, err
	}
	const size = 1024
	var mixed, count atomic.Int64
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			data := make([]byte, size)
			for i := 0; i < a.repeats && errs[g] == nil; i++ {
				for k := range data {
					data[k] = byte(2*i + g)
				}
				errs[g] = uninterrupted(func() error { return q.send(1, data) })
			}
		})
		wg.Go(func() {
			for i := 0; i < a.repeats && errs[2+g] == nil; i++ {
				var data []byte
				errs[2+g] = uninterrupted(func() (err error) { _, data, err = q.receive(); return err })
				count.Add(1)
				if len(data) != size || bytes.Count(data, data[:1]) != size {
					mixed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err.Error(), false, nil
	}
	if n := mixed.Load(); n > 0 {
		return fmt.Sprintf("%d of %d payloads are mixtures of several", n, count.Load()), false, nil
	}
	return "yes", true, nil
}
