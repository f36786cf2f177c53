package sysv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// One message is sent, lent and acknowledged at a time, compared with a plain
// send and receive.
func BenchmarkLeaseAndAck(b *testing.B) {
	q, err := sysv.Open(sysv.Key(0x6c656173), &sysv.Config{Exclusive: true})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		b.Fatal(err)
	}
	m := mq.Message{Type: 1, Data: make([]byte, 64)}
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			if err := q.TrySend(m); err != nil {
				b.Fatal(err)
			}
			if err := q.TryReceiveInto(&m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("lease", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := q.TrySend(m); err != nil {
				b.Fatal(err)
			}
			l, err := r.Lease(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if err := l.Ack(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Messages of one type are behind as many of another as the queue can hold,
// compared with plain receives of that type.
func BenchmarkLeaseBehindOthers(b *testing.B) {
	for _, others := range []int{0, 100, 2_000, 16_000} {
		q, err := sysv.Open(sysv.Key(0x6c656173), &sysv.Config{Exclusive: true})
		if err != nil {
			b.Fatal(err)
		}
		defer q.Close()
		defer q.Remove()
		for range others {
			if err := q.TrySend(mq.Message{Type: 2}); err != nil {
				b.Fatal(err) // they are empty; the kernel allows as many messages as bytes
			}
		}
		r, err := q.SelectLeases(mq.Type(1))
		if err != nil {
			b.Fatal(err)
		}
		plain, err := q.Select(mq.Type(1))
		if err != nil {
			b.Fatal(err)
		}
		m := mq.Message{Type: 1, Data: make([]byte, 64)}
		b.Run(fmt.Sprintf("plain/others=%d", others), func(b *testing.B) {
			for b.Loop() {
				if err := errors.Join(q.TrySend(m), plain.TryReceiveInto(&m)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("lease/others=%d", others), func(b *testing.B) {
			for b.Loop() {
				err := q.TrySend(m)
				l, err2 := r.Lease(b.Context())
				if err := errors.Join(err, err2); err != nil {
					b.Fatal(err)
				}
				if err := l.Ack(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
		q.Remove()
	}
}

// 64 workers in 8 processes wait, while messages come one at a time: how many
// threads wake up for each.
func BenchmarkLeaseWakeUps(b *testing.B) {
	const processes, workers = 8, 8
	key := sysv.Key(0x6c656173)
	q, err := sysv.Open(key, &sysv.Config{Exclusive: true})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	var cmds []*exec.Cmd
	var said []*bufio.Reader
	for range processes {
		cmd := testutil.Command(b, "lease in turn", fmt.Sprint(uint32(key)), fmt.Sprint(workers))
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			b.Fatal(err)
		}
		cmds, said = append(cmds, cmd), append(said, bufio.NewReader(out))
	}
	for _, r := range said {
		if _, err := r.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	handled := make(chan struct{})
	for _, r := range said {
		go func() {
			for {
				if _, err := r.ReadByte(); err != nil {
					return
				}
				handled <- struct{}{}
			}
		}()
	}
	before := switches(b, cmds)
	for b.Loop() {
		if err := q.Send(b.Context(), mq.Message{Type: 1, Data: make([]byte, 64)}); err != nil {
			b.Fatal(err)
		}
		<-handled
	}
	b.ReportMetric(float64(switches(b, cmds)-before)/float64(b.N), "wake-ups/op")
}

// switches returns how often the threads of the processes have slept.
func switches(b *testing.B, cmds []*exec.Cmd) (n int) {
	for _, cmd := range cmds {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", cmd.Process.Pid))
		for _, f := range files {
			text, _ := os.ReadFile(f)
			for line := range strings.Lines(string(text)) {
				if count, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
					i, err := strconv.Atoi(strings.TrimSpace(count))
					if err != nil {
						b.Fatal(err)
					}
					n += i
				}
			}
		}
	}
	return n
}

func init() {
	roles["lease in turn"] = func() {
		q, err := sysv.Open(sysv.Key(number(1)), &sysv.Config{OpenOnly: true})
		expect(err == nil, "%v", err)
		r, err := q.SelectLeases(mq.Any())
		expect(err == nil, "%v", err)
		fmt.Println("ready")
		var workers sync.WaitGroup
		for range number(2) {
			workers.Go(func() {
				for {
					l, err := r.Lease(context.Background())
					if err != nil {
						return // the queue was removed
					}
					err = l.Ack(context.Background())
					expect(err == nil, "%v", err)
					fmt.Print("x")
				}
			})
		}
		workers.Wait()
	}
}
