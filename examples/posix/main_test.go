package main

import (
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestMessagesWaitInTheKernelBetweenTwoProcesses(t *testing.T) {
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	const want = `producer: sweep the floor, priority 0
producer: put out the fire, priority 9
producer: water the plants, priority 0
producer: answer the door, priority 5
producer: the queue is full, and I am done
consumer: 4 of at most 4 messages wait
consumer: put out the fire, priority 9
consumer: answer the door, priority 5
consumer: sweep the floor, priority 0
consumer: water the plants, priority 0
consumer: nothing more to do
`
	if string(out) != want {
		t.Errorf("printed\n%s, not\n%s", out, want)
	}
}
