package sysv_test

import (
	"bufio"
	"fmt"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
)

// A process that always finds a message never waits, and so is not woken when
// holders die.
func TestABusyProcessTakesOverFromTheDead(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see, so that it looks dead to them")
	key := freeKey(t)
	q := openLending(t, key, time.Hour)
	r := lending(t, q, mq.Any())
	send(t, q, 7)
	cmd := testutil.Command(t, "lease and stop", fmt.Sprint(uint32(key)), "leased", fmt.Sprint(int64(time.Hour)))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for range 1000 {
		send(t, q, 8)
		l, err := r.Lease(t.Context())
		if err == nil {
			err = l.Ack(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(l.Message().Data) == "7" {
			if l.Attempt() != 2 {
				t.Errorf("attempt %d", l.Attempt())
			}
			return
		}
	}
	t.Error("the message of a holder that died was not lent again")
}
