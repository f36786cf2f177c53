package main

import (
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestNoJobIsLostAlthoughAWorkerIsKilled(t *testing.T) {
	testutil.NotEmulated(t, "mq/sysv tries leases between processes")
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	const want = `parent: 3 workers have 200 jobs, and one that nobody can do
parent: kills a worker in the middle of job 100, and hires another
parent: job 100 is done, at attempt 2
parent: 200 jobs are done, their numbers add up to 20100, and 0 results came twice
parent: "two pi" is a dead letter after 3 attempts: strconv.Atoi: parsing "two pi": invalid syntax
`
	if string(out) != want {
		t.Errorf("printed\n%s, not\n%s", out, want)
	}
}
