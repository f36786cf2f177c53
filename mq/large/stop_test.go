package large_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"ipcmq/internal/store"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
)

// stopAt starts a process that stops at a step until its input ends.
func stopAt(t *testing.T, role string, args ...string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := testutil.Command(t, role, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "stopped\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd, in
}

// A ticket that a receiver has on lease, and a payload that it has not copied yet,
// are not mistaken for those of a dead process, however long the receiver is
// stopped.
func TestPayloadsOfAStoppedReceiverAreNotCollected(t *testing.T) {
	testutil.NotEmulated(t, emulated)
	quick(t)
	for _, step := range []string{"received", "copied out"} {
		q := newQueue(t, false)
		s := byID(t, q.ID(), &large.Config{MaxPayload: 20_000, Memory: 20_000})
		send(t, s, 1, pattern(20_000))
		cmd, in := stopAt(t, "receive and stop", fmt.Sprint(q.ID()), step)
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		err := s.Send(ctx, mq.Message{Type: 1, Data: pattern(20_000)}) // it looks for room twice
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stopped at %q: %v", step, err)
		}
		sent := make(chan error)
		go func() { sent <- s.Send(t.Context(), mq.Message{Type: 1, Data: pattern(20_000)}) }()
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("stopped at %q: %v", step, err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		s.Close()
	}
}

// A ticket whose sender waits for room in the queue is only in the sender's
// memory.
func TestPayloadsOfABlockedSenderAreNotCollected(t *testing.T) {
	testutil.NotEmulated(t, emulated)
	quick(t)
	q := openSysV(t, sysv.Private, &sysv.Config{Capacity: 48})
	defer q.Close()
	defer q.Remove()
	send(t, q, 1, pattern(48))
	s := byID(t, q.ID(), &large.Config{MaxPayload: 20_000, Memory: 20_000})
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan error, 2)
	waits := func(data []byte) {
		waits := newSpy(ctx)
		go func() { sent <- s.Send(waits, mq.Message{Type: 1, Data: data}) }()
		<-waits.asked
	}
	waits(pattern(20_000))
	testutil.AwaitAsleep(t, os.Getpid(), 1, "do_msgsnd")
	waits(pattern(19_999)) // makes the collector look
	begun := time.Now()
	testutil.Await(t, func() error {
		store.Collect()
		if time.Since(begun) < 2500*time.Millisecond {
			return errors.New("too early")
		}
		return nil
	})
	receive(t, q)
	if m := receive(t, byID(t, q.ID(), nil)); !bytes.Equal(m.Data, pattern(20_000)) {
		t.Errorf("%d bytes, Truncated %v", len(m.Data), m.Truncated)
	}
	for range 2 {
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
	cancel()
}

func init() {
	roles["receive and stop"] = func() {
		store.Step = func(name string) {
			if name == os.Args[2] {
				fmt.Println("stopped")
				io.Copy(io.Discard, os.Stdin)
			}
		}
		q := openID(number(1), mq.ReadWrite)
		m, err := q.Receive(context.Background())
		expect(err == nil && bytes.Equal(m.Data, pattern(20_000)), "%d bytes, Truncated %v, %v", len(m.Data), m.Truncated, err)
	}
}

// A process keeps writing garbage into the memory and the queue: payloads may be
// damaged or missing, but nothing else happens.
func TestAHostileProcessDoesNoMoreThanDamage(t *testing.T) {
	quick(t)
	q := newQueue(t, true)
	s := byID(t, q.ID(), &large.Config{MaxPayload: 200_000, Memory: 400_000})
	send(t, s, 1, pattern(100_000))
	cmd := testutil.Command(t, "scribble", fmt.Sprint(q.ID()), fmt.Sprint(stores(t)[0]))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := byID(t, q.ID(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range mq.AllInto(ctx, r) {
		}
	}()
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		err := s.Send(short, mq.Message{Type: 1, Data: pattern(100_000)})
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
	<-done
	cmd.Process.Kill()
	cmd.Wait()
	s.Close()
	for _, id := range stores(t) {
		sys.ShmRemove(id) // it is no longer recognized as a store
	}
}

func init() {
	roles["scribble"] = func() {
		memory, errno := sys.ShmAttach(number(2), false)
		expect(errno == 0, "%v", errno)
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		words := memory.Words(0, memory.Size()/8)
		for {
			m, err := q.TryReceive()
			if err != nil {
				m.Data = append([]byte("\xba\x7c\xfd\x01"), make([]byte, 28)...)
			}
			switch len(m.Data) {
			case 32:
				m.Data[4+rand.IntN(28)] = byte(rand.Uint32())
			}
			q.TrySend(mq.Message{Type: 1, Data: m.Data})
			for range 100 {
				i := 2 + rand.IntN(8*100) // not the magic
				if rand.IntN(4) == 0 {
					words[i].Store(rand.Uint64())
				} else {
					words[i].Store(words[i].Load() + 1)
				}
			}
		}
	}
}
