package main

import (
	"regexp"
	"strconv"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestEveryCallIsAnsweredAlthoughAServerIsKilled(t *testing.T) {
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	want := regexp.MustCompile(`^parent: kills the server that has the contract, and starts server 3
client 1: contract signed by server ([123]), at attempt (\d+)
client 1: 200 squares: (\d+) by server 1, (\d+) by server 2, (\d+) by server 3
client 1: no square of -1: remote: code 1024: -1 is negative
client 1: sent (\d+), answered 202, not answered in time (\d+)
parent: kills client 2, which is waiting for its letter
parent: removed inboxes of killed processes: 2
server [12]: stopped after (\d+) requests
server 3: stopped after (\d+) requests
$`)
	match := want.FindSubmatch(out)
	if match == nil {
		t.Fatalf("printed\n%s, which does not match\n%v", out, want)
	}
	var n [10]int
	for i := 1; i < len(n); i++ {
		n[i], _ = strconv.Atoi(string(match[i]))
	}
	attempts, squares, sent, lost := n[2], n[3:6], n[6], n[7]
	if attempts < 2 {
		t.Errorf("the contract was signed at attempt %d, though the server that had it first was killed", attempts)
	}
	if sum := squares[0] + squares[1] + squares[2]; sum != 200 {
		t.Errorf("%d squares by the servers, not 200", sum)
	}
	if lost < 1 || sent != 202+lost {
		t.Errorf("sent %d, answered 202, lost %d", sent, lost)
	}
	if t.Failed() {
		t.Logf("printed\n%s", out)
	}
}
