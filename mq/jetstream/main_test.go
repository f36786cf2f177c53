package jetstream_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The examples need a server. The one of the tests is in module integration, so that this
// module does not require it: it is built there, and runs as another process.
func TestMain(m *testing.M) { os.Exit(withServer(m.Run)) }

func withServer(run func() int) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "ipcmq-jetstream-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	stop, err := startServer(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the examples need a NATS server:", err)
		if os.Getenv("CI") != "" {
			return 1
		}
		flag.Set("test.run", "^Test")
		return run()
	}
	defer stop()
	return run()
}

var address = regexp.MustCompile(`Listening for client connections on (\S+)`)

// startServer starts a server that keeps its queues in dir, and sets NATS_URL.
func startServer(dir string) (stop func(), err error) {
	program := filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-C", "integration", "-o", program, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	cmd := exec.Command(program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", dir)
	log, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			os.Setenv("NATS_URL", "nats://"+found[1])
			server = os.Getenv("NATS_URL")
			go io.Copy(io.Discard, log)
			return stop, nil
		}
	}
	stop()
	return nil, fmt.Errorf("it has ended: %v", lines.Err())
}
