package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

func init() {
	roles["tried server"] = triedServer
	roles["tried client"] = triedClient
	roles["hostile sender"] = hostileSender
}

// The types of the requests in the hostile run: for one reply, and for many.
const (
	oneType  = 7
	manyType = 8
)

// triedTimeout is how long a call may take in the hostile run.
const triedTimeout = 5 * time.Second

// triedServer answers requests of both types until SIGTERM. A request begins with a
// number n: one type is answered with the request followed by n bytes, the other
// with n replies.
func triedServer() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	q := ownQueue()
	fmt.Println("ready")
	var handlers sync.WaitGroup
	handlers.Go(func() {
		must(rpc.Handle(ctx, q, oneType, func(_ context.Context, request []byte) ([]byte, error) {
			n, _ := strconv.Atoi(strings.Fields(string(request) + " 0")[0])
			return append(request, make([]byte, min(n, 3000))...), nil
		}, &rpc.Config{Concurrency: 4}))
	})
	handlers.Go(func() {
		must(rpc.Handle(ctx, q, manyType, rpc.Replies(func(_ context.Context, request []byte, reply func([]byte) error) error {
			n, _ := strconv.Atoi(strings.Fields(string(request) + " 0")[0])
			for i := range min(n, 1000) {
				if err := reply(fmt.Appendf(nil, "%s %d", request, i)); err != nil {
					return err
				}
			}
			return nil
		}), &rpc.Config{Concurrency: 4}))
	})
	handlers.Wait()
}

// triedClient makes as many calls as its second argument says, eight at a time, and
// writes a letter for each: a for the right answer, e for none before its deadline,
// l for one that was lost. It fails after a wrong answer, another error, or a call
// that took too long.
func triedClient() {
	c, err := rpc.NewClient(ownQueue(), nil)
	must(err)
	fmt.Println("ready")
	var next atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for {
				i := int(next.Add(1))
				if i > argument(2) {
					return
				}
				ctx, cancel := context.WithTimeout(context.Background(), triedTimeout)
				began := time.Now()
				var err error
				if i%10 == 0 {
					err = tryReplies(ctx, c, i)
				} else {
					err = tryRequest(ctx, c, i)
				}
				cancel()
				var remote *rpc.RemoteError
				result := "a"
				switch {
				case errors.Is(err, context.DeadlineExceeded):
					result = "e"
				case errors.Is(err, rpc.ErrReplyLost), errors.As(err, &remote) && i%10 == 0:
					result = "l"
				case err != nil:
					must(err)
				}
				if took := time.Since(began); took > triedTimeout+5*time.Second { // the machine is busy, and the client may be stopped
					must(fmt.Errorf("call %d took %v", i, took))
				}
				os.Stdout.WriteString(result)
			}
		})
	}
	callers.Wait()
	must(c.Shutdown(context.Background()))
}

func tryRequest(ctx context.Context, c *rpc.Client, i int) error {
	size := 3000 * (i % 5 / 4)
	request := fmt.Appendf(nil, "%d %d-%d", size, os.Getpid(), i)
	reply, err := c.Request(ctx, oneType, request)
	if err == nil && (!bytes.HasPrefix(reply, request) || len(reply) != len(request)+size) {
		must(fmt.Errorf("%q got %d bytes: %.60q", request, len(reply), reply))
	}
	return err
}

func tryReplies(ctx context.Context, c *rpc.Client, i int) error {
	want, stop := i%50, 1000
	if i%3 == 0 {
		stop = 5
	}
	request := fmt.Appendf(nil, "%d %d-%d", want, os.Getpid(), i)
	n := 0
	for reply, err := range c.Replies(ctx, manyType, request) {
		if err != nil {
			return err
		}
		if string(reply) != fmt.Sprintf("%s %d", request, n) {
			must(fmt.Errorf("reply %d to %q is %.60q", n, request, reply))
		}
		if n++; n == stop {
			break
		}
	}
	if n != min(want, stop) {
		must(fmt.Errorf("%d replies to %q", n, request))
	}
	return nil
}

// hostileSender attacks the pending calls in all inboxes: it knows the inboxes, and
// the ids, since they count up, but no tokens. It also sends invalid requests, and
// some whose replies go to others. A worse one sends messages like the record in an
// inbox, which fill it until its owner creates another.
func hostileSender() {
	q := ownQueue()
	fmt.Println("ready")
	kinds := []rpc.Kind{rpc.KindReply, rpc.KindError, rpc.KindPart, rpc.KindEnd, rpc.KindMore, rpc.KindLeft, rpc.KindRequest, 99}
	newest := uint64(10)
	types := []int64{1, 1, 1, 3, 1 << 40}
	if os.Args[2] == "worse" {
		types = append(types, 2)
	}
	for {
		for s := range sysv.Queues() {
			if !s.IsInbox() {
				continue
			}
			address := fmt.Sprintf("sysv:%d", s.ID)
			in, err := q.OpenInbox(address)
			if err != nil {
				continue // gone meanwhile
			}
			for range 8 {
				id := rand.Uint64N(newest) + 1
				h := rpc.MakeHeader(kinds[rand.IntN(len(kinds))], 0, id, rand.Uint64(), time.Time{}, "").WithMany(rand.Uint64N(40), 0)
				in.TrySend(mq.Message{Type: types[rand.IntN(len(types))], Data: h.Append(nil, []byte("wrong"))})
			}
			in.Close()
			if rand.IntN(10) > 0 {
				continue
			}
			h := rpc.MakeHeader(rpc.KindRequest, 0, rand.Uint64N(newest)+1, rand.Uint64(), time.Now().Add(100*time.Millisecond), address)
			typ := oneType + rand.Int64N(2)
			q.TrySend(mq.Message{Type: typ, Data: h.WithMany(0, rand.Uint32N(2)*rand.Uint32()).Append(nil, []byte("10 wrong"))})
			junk := h.Append(nil, nil)
			junk[rand.IntN(len(junk))] ^= byte(1 << rand.IntN(8))
			q.TrySend(mq.Message{Type: typ, Data: junk[:rand.IntN(len(junk)+1)]})
		}
		newest = min(newest+10, 20_000)
		<-time.After(5 * time.Millisecond)
	}
}
