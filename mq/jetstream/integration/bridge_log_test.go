package integration_test

import (
	"encoding/json"
	"strings"
	"testing"

	"ipcmq/mq"
)

func TestBridgeLogsInJSON(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	js := openQueue(t, url, "log", nil)
	kernel, id := newKernelQueue(t)
	b := startBridge(t, "-json", "-v", "-server", url, id, "js:log")
	sendAll(t, kernel, mq.Message{Type: 1, Data: []byte("hello")})
	holds(t, js, 1, 0)
	if err := kernel.Remove(); err != nil {
		t.Fatal(err)
	}
	b.wait(t, 1)
	levels := map[string]int{}
	for line := range strings.Lines(b.text.String()) {
		var r struct{ Time, Level, Msg, From, To string }
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Time == "" || r.Msg == "" || r.From != id || r.To != "js:log" {
			t.Errorf("%v: %s", err, line)
		}
		levels[r.Level]++
	}
	if levels["INFO"] != 2 || levels["ERROR"] != 1 {
		t.Errorf("%v in %s", levels, b.text.String())
	}
}
