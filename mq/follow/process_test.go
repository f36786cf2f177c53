package follow_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/follow"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func init() {
	roles["sends"] = sends
	roles["receives"] = receives
}

// followed opens the queue in the first argument of a process, which somebody else
// creates.
func followed() *follow.Queue {
	q, err := follow.Open(func() (mq.Exchange, error) {
		if strings.HasPrefix(os.Args[1], "/") {
			return exchange(posix.Open(os.Args[1], &posix.Config{OpenOnly: true}))
		}
		key, err := sysv.ParseKey(os.Args[1])
		if err != nil {
			return nil, err
		}
		return exchange(sysv.Open(key, &sysv.Config{OpenOnly: true}))
	}, &follow.Config{Every: 5 * time.Millisecond})
	check(err)
	return q
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Args[1], err)
		os.Exit(1)
	}
}

// sends sends numbers until SIGTERM, and prints how many it has sent.
func sends() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	q := followed()
	defer q.Close()
	fmt.Println("ready")
	n := uint64(0)
	for {
		err := q.Send(ctx, mq.Message{Type: 1, Data: binary.LittleEndian.AppendUint64(nil, n)})
		if errors.Is(err, context.Canceled) {
			break
		}
		check(err)
		n++
	}
	fmt.Println(n)
}

// receives receives numbers, which must rise, until after SIGTERM none has come
// for a second, and prints how many there were, and the last.
func receives() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	q := followed()
	defer q.Close()
	fmt.Println("ready")
	count, last := 0, int64(-1)
	for {
		m, err := q.Receive(ctx)
		if errors.Is(err, context.Canceled) {
			if m, err = q.TryReceive(); errors.Is(err, mq.ErrEmpty) {
				break
			}
		}
		check(err)
		n := int64(binary.LittleEndian.Uint64(m.Data))
		if n <= last {
			check(fmt.Errorf("%d comes after %d", n, last))
		}
		count, last = count+1, n
	}
	fmt.Println(count, last)
}

// speaker starts a process and waits until it reports that it is ready. end
// makes it end and returns its output.
func speaker(t *testing.T, role, address string) (end func() string) {
	t.Helper()
	cmd := testutil.Command(t, role, address)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("%s says %q", role, lines.Text())
	}
	return func() string {
		testutil.Signal(t, cmd.Process.Pid, "TERM")
		lines.Scan()
		must(t, cmd.Wait())
		return lines.Text()
	}
}

// A sender and a receiver stay connected, in order and without an error, while
// a third process keeps removing and recreating their queue in the middle of
// their traffic.
func TestProcessesFollowAQueueThatIsReplacedUnderLoad(t *testing.T) {
	ofEach(t, func(t *testing.T, k kind) {
		address := k.address(t)
		endReceiver, endSender := speaker(t, "receives", address), speaker(t, "sends", address)
		const rounds = 20
		for range rounds {
			k.awaitTraffic(t)
			must(t, k.remove())
			for { // until nobody has sent to it yet
				err := k.make()
				if err == nil {
					break
				}
				if !errors.Is(err, fs.ErrExist) {
					t.Fatal(err)
				}
			}
		}
		k.awaitTraffic(t)
		sent, err := strconv.Atoi(endSender())
		must(t, err)
		received, last := 0, 0
		if _, err := fmt.Sscan(endReceiver(), &received, &last); err != nil {
			t.Fatal(err)
		}
		// The messages in a removed queue are lost, at most as many as it holds.
		q, err := k.open()
		must(t, err)
		defer q.Close()
		t.Logf("%d sent, %d received, in %d queues", sent, received, rounds+1)
		if last != sent-1 || received > sent || received < rounds {
			t.Errorf("%d sent, %d received, the last of them %d", sent, received, last)
		}
	})
}

// address returns the name of the queue on a command line.
func (k kind) address(t *testing.T) string {
	t.Helper()
	q, err := k.open()
	must(t, err)
	defer q.Close()
	if s, ok := q.(*sysv.Queue); ok {
		st, err := s.Stat()
		must(t, err)
		return st.Key.String()
	}
	return q.(*posix.Queue).Name()
}

// awaitTraffic waits until messages pass through the current queue.
func (k kind) awaitTraffic(t *testing.T) {
	t.Helper()
	q, err := k.open()
	must(t, err)
	defer q.Close()
	testutil.Await(t, func() error {
		u, err := q.(mq.Meter).Usage()
		if s, ok := q.(*sysv.Queue); ok {
			st, e := s.Stat()
			if err = e; !st.LastReceive.IsZero() {
				return err
			}
		}
		if err == nil && u.Messages == 0 {
			err = errors.New("nothing has come into the queue")
		}
		return err
	})
}
