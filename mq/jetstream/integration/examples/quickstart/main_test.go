package main

import (
	"regexp"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestTwoProcessesTalk(t *testing.T) {
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	numbers := regexp.MustCompile(`\b(parent|child) \d+`)
	const want = `parent N: created a queue, quickstart (lease mode)
child N: opened the queue, quickstart (lease mode)
child: got "hello"
parent: asked "hello", answered "HELLO"
child: got "kernel"
parent: asked "kernel", answered "KERNEL"
child: got "queue"
parent: asked "queue", answered "QUEUE"
parent: no more answers: mq: receive quickstart: context deadline exceeded; no message came
parent: removes the queue, which would outlive us
child: the range has ended, since the queue was removed
`
	if got := numbers.ReplaceAllString(string(out), "$1 N"); got != want {
		t.Errorf("printed\n%s, not\n%s", got, want)
	}
}
