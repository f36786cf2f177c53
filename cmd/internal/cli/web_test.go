package cli_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"ipcmq/internal/testutil"
)

// web writes the URL of its page as its only line, shows doctor's findings, and ends
// with status 0 on a signal.
func TestWebWritesItsURLAndEnds(t *testing.T) {
	testutil.NeedNamespace(t)
	openQueue(t)
	cmd := command(t, "web", "--listen", "127.0.0.1:0", "--interval", "100ms", "--host", "queues.example")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	written := bufio.NewReader(out)
	line, err := written.ReadString('\n')
	if err != nil || !regexp.MustCompile(`^http://127\.0\.0\.1:[0-9]+/#token=[A-Z2-7]{26}\n$`).MatchString(line) {
		t.Fatalf("%q, %v", line, err)
	}
	base, token, _ := strings.Cut(strings.TrimSpace(line), "#token=")
	r, err := http.NewRequestWithContext(t.Context(), "GET", base+"api/queues", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Host = "queues.example"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := bufio.NewReader(resp.Body)
	testutil.Await(t, func() error { // the findings come later
		text, err := events.ReadString('\n')
		if err == nil && !strings.Contains(text, `"text":"System V and POSIX queues can be listed: 1 queue"`) {
			err = io.ErrNoProgress
		}
		return err
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(written); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestWebRefusesWrongUsage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for what, args := range map[string][]string{
		"--interval 1ms: it must be 100ms or more": {"--interval", "1ms"},
		"usage: ipcmq web":                         {"x"},
		"it must be a name without a port":         {"--host", "queues.example:80"},
		"takes a free port":                        {"--listen", l.Addr().String()},
		"cannot assign requested address":          {"--listen", "192.0.2.1:1"},
	} {
		cmd := command(t, append([]string{"web"}, args...)...)
		cmd.Stderr = nil
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), what) {
			t.Errorf("%v: %v, %s", args, err, out)
		}
	}
}
