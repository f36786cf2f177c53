package rpc_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

func init() {
	roles["server"] = server
	roles["client"] = client
}

// requestType is the type of the requests between processes, requestTimeout is
// how long their clients wait.
const (
	requestType    = 7
	requestTimeout = time.Second
)

// ownQueue opens the queue whose id is the first argument of a child process.
func ownQueue() *sysv.Queue {
	q, err := sysv.OpenID(argument(1), nil)
	must(err)
	return q
}

func argument(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	must(err)
	return n
}

// must ends a child process that has failed.
func must(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n", os.Args, err)
		os.Exit(1)
	}
}

func start(tb testing.TB, role string, args ...string) (*exec.Cmd, *bufio.Reader) {
	tb.Helper()
	cmd := testutil.Command(tb, role, args...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		tb.Error(err) // not Fatal, for goroutines
	}
	return cmd, bufio.NewReader(out)
}

// startReady starts a process and waits until it is ready for signals.
func startReady(tb testing.TB, role string, args ...string) (*exec.Cmd, *bufio.Reader) {
	tb.Helper()
	cmd, out := start(tb, role, args...)
	if line, err := out.ReadString('\n'); line != "ready\n" || err != nil {
		tb.Errorf("%s said %q, %v", role, line, err)
	}
	return cmd, out
}

// server answers requests with themselves and its pid, until SIGTERM.
func server() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("ready")
	must(rpc.Handle(ctx, ownQueue(), requestType, func(_ context.Context, request []byte) ([]byte, error) {
		return fmt.Appendf(nil, "%s %d", request, os.Getpid()), nil
	}, &rpc.Config{Concurrency: 4}))
}

// client makes as many requests as its second argument says, four at a time,
// and writes a line for each: how long it took and the reply or the error. It
// fails if a request got the reply of another, an error other than that of its
// deadline, or either too late.
func client() {
	q, n := ownQueue(), argument(2)
	m, err := rpc.NewClient(q, nil)
	must(err)
	var next sync.Mutex
	i := 0
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				next.Lock()
				request := fmt.Sprintf("%d-%d", os.Getpid(), i)
				i++
				over := i > n
				next.Unlock()
				if over {
					return
				}
				ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
				began := time.Now()
				reply, err := m.Request(ctx, requestType, []byte(request))
				took := time.Since(began)
				cancel()
				result := "answered"
				switch {
				case errors.Is(err, context.DeadlineExceeded):
					result = "expired"
				case err != nil:
					must(err)
				default:
					var to string
					var by int
					if _, err := fmt.Sscanf(string(reply), "%s %d", &to, &by); err != nil || to != request {
						must(fmt.Errorf("%s got %q", request, reply))
					}
					result += " " + strconv.Itoa(by)
				}
				if took > requestTimeout+time.Second { // the second is for a busy machine
					must(fmt.Errorf("%s took %v", request, took))
				}
				os.Stdout.WriteString(took.String() + " " + result + "\n")
			}
		})
	}
	callers.Wait()
	must(m.Shutdown(context.Background()))
}

// A serverProcess is a server that can be killed and replaced.
type serverProcess struct {
	tb  testing.TB
	id  string
	cmd *exec.Cmd
}

func (s *serverProcess) start() {
	s.cmd, _ = startReady(s.tb, "server", s.id)
}

func (s *serverProcess) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func (s *serverProcess) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.tb.Errorf("a server has ended with %v", err)
	}
}

// inboxes returns how many inboxes there are in the namespace of the test.
func inboxes(tb testing.TB) (n int) {
	tb.Helper()
	testutil.NeedNamespace(tb)
	for s, err := range sysv.Queues() {
		if err != nil {
			tb.Fatal(err)
		}
		if s.Key == sysv.Private && s.Mode&0o111 != 0 {
			n++
		}
	}
	return n
}

// TestRequestsSurviveKilledClientsAndServers kills every tenth client, and with
// each one of ten servers. IPCMQ_REQUESTS=100000 is the long run.
func TestRequestsSurviveKilledClientsAndServers(t *testing.T) {
	testutil.NeedNamespace(t)
	const servers, atOnce = 3, 4
	requests := fromEnv(t, "IPCMQ_REQUESTS", 2000)
	clients := max(20, requests/1000)
	q := newQueue(t, nil)
	id := strconv.Itoa(q.ID())
	pool := make([]*serverProcess, servers)
	for i := range pool {
		pool[i] = &serverProcess{tb: t, id: id}
		pool[i].start()
	}
	var mu sync.Mutex
	answered, expired, killedClients, killedServers := 0, 0, 0, 0
	var slowest time.Duration
	by := make(map[int]int)

	limit := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for c := range clients {
		limit <- struct{}{}
		running.Go(func() {
			defer func() { <-limit }()
			n := requests / clients
			cmd, out := start(t, "client", id, strconv.Itoa(n))
			victim := c%10 == 5
			killAt := rand.IntN(n)
			lines := 0
			for ; ; lines++ {
				if victim && lines == killAt {
					cmd.Process.Kill()
					mu.Lock()
					s := pool[rand.IntN(servers)]
					s.kill()
					s.start()
					killedClients++
					killedServers++
					mu.Unlock()
				}
				line, err := out.ReadString('\n')
				if err != nil {
					break
				}
				var took, result string
				var server int
				fmt.Sscan(line, &took, &result, &server)
				d, err := time.ParseDuration(took)
				if err != nil {
					t.Errorf("a client said %q", line)
				}
				mu.Lock()
				switch result {
				case "answered":
					answered++
					by[server]++
					slowest = max(slowest, d)
				case "expired":
					expired++
				default:
					t.Errorf("a client said %q", line)
				}
				mu.Unlock()
			}
			err := cmd.Wait()
			if !victim && (err != nil || lines != n) {
				t.Errorf("a client has ended with %v after %d of %d requests", err, lines, n)
			}
		})
	}
	running.Wait()
	for _, s := range pool {
		s.stop()
	}
	left := inboxes(t)
	removed, err := sysv.RemoveDeadInboxes()
	if err != nil {
		t.Error(err)
	}
	if left != len(removed) || left > killedClients {
		t.Errorf("%d inboxes of %d killed clients are left, %d were removed", left, killedClients, len(removed))
	}
	if n := inboxes(t); n != 0 {
		t.Errorf("%d inboxes are left", n)
	}
	if killedClients == 0 || answered == 0 || len(by) < servers {
		t.Errorf("%d clients killed, %d answered by %d servers", killedClients, answered, len(by))
	}
	t.Logf("%d requests of %d clients (%d killed) to %d servers (%d more killed and replaced): %d answered, the slowest after %v, by %d servers; %d expired; %d inboxes were left and removed",
		requests, clients, killedClients, servers, killedServers, answered, slowest, len(by), expired, len(removed))
}
