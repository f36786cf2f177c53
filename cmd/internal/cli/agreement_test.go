package cli_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// ls shows what ipcs -q and lsipc -q show.
func TestListAgreesWithIpcsAndLsipc(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedRoot(t)
	for _, tool := range []string{"ipcs", "lsipc"} {
		if _, err := exec.LookPath(tool); err != nil {
			testutil.Lacking(t, tool)
		}
	}
	for i := range 3 {
		q := openQueue(t)
		if err := q.Set(func(s *sysv.Settings) { s.Mode, s.UID, s.Capacity = 0o640, uint32(i), 1000 }); err != nil {
			t.Fatal(err)
		}
		for range i {
			if err := q.TrySend(mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	keyed, err := sysv.Open(0xfffffff0, &sysv.Config{Mode: 0o666})
	if err != nil {
		t.Fatal(err)
	}
	defer keyed.Close()
	defer keyed.Remove()

	var queues []struct {
		Address      string
		Key          string
		ID           int
		Owner, Mode  string
		Messages     int
		Bytes        int
		LastSender   *struct{ PID int } `json:"last_sender"`
		LastReceiver *struct{ PID int } `json:"last_receiver"`
	}
	out, err := command(t, "ls", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &queues); err != nil {
		t.Fatal(err)
	}
	ours := map[int]string{}
	for _, q := range queues {
		key := q.Key
		if key == "private" {
			key = "0x00000000"
		}
		ours[q.ID] = fmt.Sprintf("%s owner %s mode %s bytes %d messages %d", key, q.Owner, q.Mode, q.Bytes, q.Messages)
	}
	if len(ours) != 4 {
		t.Fatalf("%d queues", len(ours))
	}

	compare := func(tool string, theirs map[int]string) {
		for id, want := range theirs {
			if ours[id] != want {
				t.Errorf("%s: %d is %q, and ipcmq has %q", tool, id, want, ours[id])
			}
		}
		if len(theirs) != len(ours) {
			t.Errorf("%s has %d queues, and ipcmq %d", tool, len(theirs), len(ours))
		}
	}
	theirs := map[int]string{}
	for line := range strings.Lines(output(t, "ipcs", "-q")) {
		var key, owner, mode string
		var id, bytes, messages int
		if n, _ := fmt.Sscan(line, &key, &id, &owner, &mode, &bytes, &messages); n == 6 {
			theirs[id] = fmt.Sprintf("%s owner %s mode 0%s bytes %d messages %d", key, owner, mode, bytes, messages)
		}
	}
	compare("ipcs", theirs)

	theirs = map[int]string{}
	for line := range strings.Lines(output(t, "lsipc", "-q", "--raw", "--noheadings", "--bytes", "-o", "KEY,ID,OWNER,PERMS,USEDBYTES,MSGS")) {
		var key, owner, mode string
		var id, bytes, messages int
		if n, _ := fmt.Sscan(line, &key, &id, &owner, &mode, &bytes, &messages); n == 6 {
			theirs[id] = fmt.Sprintf("%s owner %s mode %s bytes %d messages %d", key, owner, inDigits(mode), bytes, messages)
		}
	}
	compare("lsipc", theirs)
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// inDigits turns rw-r----- into 0640.
func inDigits(mode string) string {
	n := 0
	for _, r := range mode {
		n <<= 1
		if r != '-' {
			n |= 1
		}
	}
	return fmt.Sprintf("%04o", n)
}
