package cli_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"ipcmq/internal/testutil"
)

// As under systemd: it starts, answers, and ends on SIGTERM.
func TestExportServesUntilSIGTERM(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	q := openQueue(t)
	cmd := command(t, "export", "--listen", "127.0.0.1:0")
	cmd.Stderr = nil
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stderr).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ipcmq: metrics at ")
	if err != nil || !ok {
		t.Fatalf("%q, %v", line, err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), `ipcmq_queue_messages{kind="sysv",queue="`+address(q)+`"} 0`) {
		t.Errorf("%v: %s", err, body)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
