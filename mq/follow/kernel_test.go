package follow_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/follow"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// A kind is one of the kernel's kinds of queues. Its functions open, create and
// remove one queue with a unique name.
type kind struct {
	name   string
	open   func(owners ...int) (mq.Exchange, error) // never creates
	make   func() error
	remove func() error
}

func kinds() []kind {
	b := make([]byte, 4)
	rand.Read(b)
	key := sysv.Key(binary.NativeEndian.Uint32(b) | 1)
	all := []kind{{
		name: "sysv",
		open: func(owners ...int) (mq.Exchange, error) {
			return exchange(sysv.Open(key, &sysv.Config{OpenOnly: true, Owners: owners}))
		},
		make: func() error {
			q, err := sysv.Open(key, &sysv.Config{Exclusive: true, Mode: 0o666})
			if err == nil {
				err = q.Close()
			}
			return err
		},
		remove: func() error {
			q, err := sysv.Open(key, &sysv.Config{OpenOnly: true})
			if err == nil {
				err = errors.Join(q.Remove(), q.Close())
			}
			return err
		},
	}}
	for _, blocking := range []bool{false, true} {
		name := fmt.Sprintf("/ipcmq-test-%d-%s", os.Getpid(), rand.Text())
		all = append(all, kind{
			name: map[bool]string{false: "posix", true: "posix blocking"}[blocking],
			open: func(owners ...int) (mq.Exchange, error) {
				return exchange(posix.Open(name, &posix.Config{OpenOnly: true, Owners: owners, Blocking: blocking}))
			},
			make: func() error {
				q, err := posix.Open(name, &posix.Config{Exclusive: true, MaxMessages: 8, MaxMessageSize: 256})
				if err == nil {
					err = errors.Join(q.Set(func(s *posix.Settings) { s.Mode = 0o666 }), q.Close())
				}
				return err
			},
			remove: func() error { return posix.Unlink(name) },
		})
	}
	return all
}

func exchange[Q mq.Exchange](q Q, err error) (mq.Exchange, error) {
	if err != nil {
		return nil, err
	}
	return q, nil
}

// ofEach runs f for each kind, with a queue that is removed at the end.
func ofEach(t *testing.T, f func(t *testing.T, k kind)) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			must(t, k.make())
			t.Cleanup(func() { k.remove() })
			f(t, k)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// follows opens a queue of a kind.
func (k kind) follows(t *testing.T, changed func(follow.Event), owners ...int) *follow.Queue {
	t.Helper()
	q, err := follow.Open(func() (mq.Exchange, error) { return k.open(owners...) }, &follow.Config{Every: 10 * time.Millisecond, Changed: changed})
	must(t, err)
	t.Cleanup(func() { q.Close() })
	return q
}

func TestContract(t *testing.T) {
	for i := range kinds() {
		t.Run(kinds()[i].name, func(t *testing.T) {
			mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
				k := kinds()[i]
				must(t, k.make())
				t.Cleanup(func() { k.remove() })
				return func() mq.Queue { return k.follows(t, nil) }
			})
		})
	}
}

func TestAWaitingReceiveTakesFromTheNextQueue(t *testing.T) {
	ofEach(t, func(t *testing.T, k kind) {
		q := k.follows(t, nil)
		for range 5 {
			got := make(chan error, 3)
			for range cap(got) {
				go func() {
					_, err := q.Receive(t.Context())
					got <- err
				}()
			}
			must(t, k.remove())
			must(t, k.make())
			fresh, err := k.open()
			must(t, err)
			for range cap(got) {
				must(t, fresh.Send(t.Context(), message("hello")))
			}
			fresh.Close()
			for range cap(got) {
				must(t, <-got)
			}
		}
	})
}

// A full queue blocks a sender until there is another queue.
func TestAWaitingSendSendsToTheNextQueue(t *testing.T) {
	ofEach(t, func(t *testing.T, k kind) {
		q := k.follows(t, nil)
		for q.TrySend(mq.Message{Type: 1, Data: make([]byte, 64)}) == nil {
		}
		sent := make(chan error)
		go func() { sent <- q.Send(t.Context(), message("hello")) }()
		must(t, k.remove())
		must(t, k.make())
		must(t, <-sent)
		fresh, err := k.open()
		must(t, err)
		defer fresh.Close()
		if m, err := fresh.TryReceive(); err != nil || string(m.Data) != "hello" {
			t.Errorf("%q, %v", m.Data, err)
		}
	})
}

// What is in a POSIX queue outlives its name.
func TestMessagesOfAnUnlinkedQueueAreReceivedFirst(t *testing.T) {
	for _, k := range kinds()[1:] {
		must(t, k.make())
		events := &log{}
		q := k.follows(t, events.note)
		old, err := k.open()
		must(t, err)
		for _, text := range []string{"1", "2"} {
			must(t, old.Send(t.Context(), message(text)))
		}
		must(t, k.remove())
		for _, text := range []string{"3", "4"} {
			must(t, old.Send(t.Context(), message(text)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var got []string
		receive := func() {
			m, err := q.Receive(ctx)
			must(t, err)
			got = append(got, string(m.Data))
		}
		receive()
		testutil.Await(t, func() error { // it is noticed even if nothing waits
			err := q.TrySend(mq.Message{Data: make([]byte, 257)}) // too large: refused
			if errors.Is(err, mq.ErrRemoved) {
				return nil
			}
			return fmt.Errorf("it is not noticed: %v", err)
		})
		receive() // before there is another
		must(t, k.make())
		must(t, q.Send(ctx, message("new")))
		for len(got) < 5 {
			receive()
		}
		if want := []string{"1", "2", "3", "4", "new"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if said := events.take(); !slices.Equal(said, []string{"gone", "open"}) {
			t.Errorf("events %q", said)
		}
		must(t, errors.Join(old.Close(), k.remove()))
	}
}

func init() { roles["squat"] = squat }

// squat creates the queue in its argument as another user, for everybody to
// use, and removes it when its standard input ends.
func squat() {
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	must(sys.Become(1<<20 + os.Getppid()))
	if os.Args[1][0] == '/' {
		q, err := posix.Open(os.Args[1], &posix.Config{Exclusive: true, Mode: 0o666})
		must(err)
		must(q.Set(func(s *posix.Settings) { s.Mode = 0o666 })) // whatever the umask
		defer q.Unlink()
		fmt.Println("made")
		os.Stdin.Read(make([]byte, 1))
		a, err := q.Attr()
		must(err)
		fmt.Println(a.Messages)
		return
	}
	key, err := sysv.ParseKey(os.Args[1])
	must(err)
	q, err := sysv.Open(key, &sysv.Config{Exclusive: true, Mode: 0o666})
	must(err)
	defer q.Remove()
	fmt.Println("made")
	os.Stdin.Read(make([]byte, 1))
	s, err := q.Stat()
	must(err)
	fmt.Println(s.Messages)
}

// A queue that takes the place of another is not trusted for that.
func TestAStrangersQueueIsNotFollowed(t *testing.T) {
	testutil.NeedRoot(t)
	ofEach(t, func(t *testing.T, k kind) {
		events := make(chan follow.Event, 10)
		q := k.follows(t, func(e follow.Event) { events <- e }, os.Geteuid())
		address := q.Current().(fmt.Stringer).String()
		if s, ok := q.Current().(*sysv.Queue); ok {
			st, err := s.Stat()
			must(t, err)
			address = st.Key.String()
		}
		must(t, k.remove())
		cmd := testutil.Command(t, "squat", address)
		in, err := cmd.StdinPipe()
		must(t, err)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		line := make([]byte, 100)
		if n, _ := out.Read(line); string(line[:n]) != "made\n" {
			t.Fatalf("the stranger says %q", line[:n])
		}
		// Until the change is noticed, both calls could be served by the
		// unlinked queue.
		testutil.Await(t, func() error {
			if _, err := q.TryReceive(); !errors.Is(err, mq.ErrRemoved) {
				return fmt.Errorf("not noticed: %w", err)
			}
			return nil
		})
		sent := make(chan error, 2)
		go func() { sent <- q.Send(t.Context(), message("secret")) }()
		go func() { _, err := q.Receive(t.Context()); sent <- err }()
		if e := <-events; !errors.Is(e.Err, mq.ErrRemoved) {
			t.Errorf("event %+v", e)
		}
		if e := <-events; !errors.Is(e.Err, fs.ErrPermission) {
			t.Errorf("event %+v", e)
		}
		in.Close()
		if n, _ := out.Read(line); string(line[:n]) != "0\n" {
			t.Errorf("messages in the stranger's queue: %q", line[:n])
		}
		must(t, cmd.Wait())
		must(t, k.make())
		must(t, errors.Join(<-sent, <-sent))
		if e := <-events; e.Err != nil {
			t.Errorf("event %+v", e)
		}
	})
}
