package rpc_test

import (
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq/sysv"
)

// A trial is a run of clients and servers under attack.
type trial struct {
	*testing.T
	id   string
	stop chan struct{}
	aux  sync.WaitGroup

	mu       sync.Mutex
	servers  []*exec.Cmd
	clients  map[*exec.Cmd]bool
	answered map[byte]int // by the letter of the client

	stops, killedServers, killedClients, removed int
}

// every calls do from time to time, until the trial is over.
func (r *trial) every(pause time.Duration, do func()) {
	r.aux.Go(func() {
		for {
			select {
			case <-r.stop:
				return
			case <-time.After(pause/2 + rand.N(pause)):
				do()
			}
		}
	})
}

// freeze stops a server or a client for a while.
func (r *trial) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock() // so that it is not killed meanwhile
	all := append([]*exec.Cmd{}, r.servers...)
	for c := range r.clients {
		all = append(all, c)
	}
	pid := all[rand.IntN(len(all))].Process.Pid
	testutil.Signal(r.T, pid, "STOP")
	<-time.After(50*time.Millisecond + rand.N(200*time.Millisecond))
	testutil.Signal(r.T, pid, "CONT")
	r.stops++
}

// replaceServer kills a server and starts another.
func (r *trial) replaceServer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := rand.IntN(len(r.servers))
	r.servers[i].Process.Kill()
	r.servers[i].Wait()
	r.servers[i], _ = startReady(r.T, "tried server", r.id)
	r.killedServers++
}

// removeInbox removes an inbox of a client, a server, or a dead process.
func (r *trial) removeInbox() {
	var ids []int
	for s := range sysv.Queues() {
		if s.IsInbox() {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	if q, err := sysv.OpenID(ids[rand.IntN(len(ids))], nil); err == nil {
		if q.Remove() == nil {
			r.mu.Lock()
			r.removed++
			r.mu.Unlock()
		}
		q.Close()
	}
}

// client runs a client, and kills it after some calls if it is a victim.
func (r *trial) client(calls int, victim bool) {
	r.mu.Lock()
	cmd, out := startReady(r.T, "tried client", r.id, strconv.Itoa(calls))
	r.clients[cmd] = true
	r.mu.Unlock()
	killAt, n := rand.IntN(calls), 0
	for ; ; n++ {
		if victim && n == killAt {
			break
		}
		letter, err := out.ReadByte()
		if err != nil {
			break
		}
		r.mu.Lock()
		r.answered[letter]++
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clients, cmd)
	if victim {
		cmd.Process.Kill()
		io.Copy(io.Discard, out)
		cmd.Wait()
		r.killedClients++
		return
	}
	if err := cmd.Wait(); err != nil || n != calls {
		r.Errorf("a client has ended with %v after %d of %d calls", err, n, calls)
	}
}

// run makes clients make the given number of calls in total.
func (r *trial) run(calls int, victims bool, how string) {
	r.stop, r.answered, r.clients = make(chan struct{}), make(map[byte]int), make(map[*exec.Cmd]bool)
	r.servers, r.stops = nil, 0
	for range 3 {
		cmd, _ := startReady(r.T, "tried server", r.id)
		r.servers = append(r.servers, cmd)
	}
	hostile, _ := startReady(r.T, "hostile sender", r.id, how)
	r.every(300*time.Millisecond, r.freeze)
	if victims {
		r.every(700*time.Millisecond, r.replaceServer)
		r.every(300*time.Millisecond, r.removeInbox)
	}
	const atOnce, each = 4, 250
	limit := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i := range (calls + each - 1) / each {
		limit <- struct{}{}
		running.Go(func() {
			defer func() { <-limit }()
			r.client(each, victims && i%4 == 1)
		})
	}
	running.Wait()
	close(r.stop)
	r.aux.Wait()
	hostile.Process.Kill()
	hostile.Wait()
	for _, s := range r.servers {
		testutil.Signal(r.T, s.Process.Pid, "TERM")
		if err := s.Wait(); err != nil {
			r.Errorf("a server has ended with %v", err)
		}
	}
}

// Clients and servers are stopped, killed and replaced, their inboxes are removed,
// and a sender forges replies: no answer is wrong, none is late, and none is lost
// while both sides live. IPCMQ_REQUESTS=100000 is the long run.
func TestAHostileNeighbour(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows the process ids of queues wrongly")
	testutil.NeedNamespace(t)
	calls := fromEnv(t, "IPCMQ_REQUESTS", 3000)
	q := newQueue(t, nil)
	r := &trial{T: t, id: strconv.Itoa(q.ID())}

	r.run(calls/2, false, "bad")
	t.Logf("%d stops and a hostile sender: %d answered, %d expired, %d lost", r.stops, r.answered['a'], r.answered['e'], r.answered['l'])
	if r.answered['e']+r.answered['l'] != 0 || r.answered['a'] == 0 {
		t.Error("answers were lost while both sides were alive")
	}
	if n := inboxes(t); n != 0 {
		t.Errorf("%d inboxes are left", n)
	}

	r.run(calls/2, true, "bad")
	t.Logf("%d stops, %d servers and %d clients killed, %d inboxes also removed: %d answered, %d expired, %d lost",
		r.stops, r.killedServers, r.killedClients, r.removed, r.answered['a'], r.answered['e'], r.answered['l'])
	// A server has at most 2 times 4 requests, and one of each type that it has just
	// taken; an inbox serves 8 callers, or 8 iterations.
	if most := 10 * r.killedServers; r.answered['e'] > most {
		t.Errorf("%d calls expired, more than the %d that killed servers can have had", r.answered['e'], most)
	}
	if most := 8*r.removed + 8*r.killedServers; r.answered['l'] > most {
		t.Errorf("%d answers were lost, more than the %d of removed inboxes and of ranges", r.answered['l'], most)
	}
	left := inboxes(t)
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) != left || left > r.killedClients+r.killedServers {
		t.Errorf("%d inboxes are left of %d killed clients and %d servers; removed %d, %v", left, r.killedClients, r.killedServers, len(removed), err)
	}
	if n := inboxes(t); n != 0 {
		t.Errorf("%d inboxes are left", n)
	}

	r.run(calls/10, false, "worse")
	t.Logf("a worse one, which fills inboxes: %d answered, %d expired, %d lost", r.answered['a'], r.answered['e'], r.answered['l'])
	if r.answered['e'] != 0 || r.answered['a'] == 0 {
		t.Error("calls wait for inboxes that are filled")
	}
	if n := inboxes(t); n != 0 {
		t.Errorf("%d inboxes are left", n)
	}
}
