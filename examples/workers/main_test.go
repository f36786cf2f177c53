package main

import (
	"regexp"
	"strconv"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestEveryJobIsDoneOnce(t *testing.T) {
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	// Worker 1 ends while the others work, so its line can be anywhere among theirs.
	const early = `(?:worker 1: stopped after (\d+) jobs\n)?`
	want := regexp.MustCompile(`^parent: 3 workers compete for 300 jobs
parent: worker 1 has to stop
` + early + `parent: 300 results of 300 different jobs
` + early + `worker 2: stopped after (\d+) jobs
worker 3: stopped after (\d+) jobs
$`)
	match := want.FindSubmatch(out)
	if match == nil {
		t.Fatalf("printed\n%s, which does not match\n%v", out, want)
	}
	sum := 0
	for _, number := range match[1:] {
		n, _ := strconv.Atoi(string(number))
		sum += n
	}
	if sum != 300 {
		t.Errorf("the workers did %d of 300 jobs:\n%s", sum, out)
	}
}
