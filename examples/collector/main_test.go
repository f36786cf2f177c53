package main

import (
	"fmt"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestEveryEventThatWasNotDroppedArrivesOnce(t *testing.T) {
	testutil.NotEmulated(t, "the emulator hands mips's own O_NONBLOCK to mq_setattr", "mips", "mipsle", "mips64", "mips64le")
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	var made, dropped, posted, batches, repeats, arrived, taken, twice int
	_, err = fmt.Sscanf(string(out), `3 producers: %d events, %d dropped since the queue was full
2 sidecars: %d events in %d batches, %d posts repeated
the server: %d events in %d batches, %d batches came twice
`, &made, &dropped, &posted, &batches, &repeats, &arrived, &taken, &twice)
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if made != producers*eventsEach || dropped+posted != made || posted != arrived || batches != taken || repeats == 0 || twice == 0 || twice > repeats {
		t.Errorf("it does not add up:\n%s", out)
	}
	t.Logf("\n%s", out)
}
