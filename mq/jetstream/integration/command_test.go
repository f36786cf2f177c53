package integration_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/rogpeppe/go-internal/testscript"

	"ipcmq/internal/testutil"
	"ipcmq/mq/jetstream/integration/server"
)

// The command ipcmq, as it is installed, each script with its own servers: PLAIN admits
// everybody, and is the default; SECRET requires a password; BARE has no JetStream;
// NOWHERE is not a server.
func TestCommand(t *testing.T) {
	testutil.NeedNamespace(t)
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./ipcmq")
	build.Dir = filepath.Join("..", "..", "..", "cmd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "command"),
		Setup: func(e *testscript.Env) error {
			for name, configure := range map[string]func(*natsserver.Options){
				"PLAIN":  nil,
				"SECRET": func(o *natsserver.Options) { o.Username, o.Password = "ann", "secret" },
				"BARE":   func(o *natsserver.Options) { o.JetStream = false },
			} {
				s, err := server.Start(&server.Options{Configure: configure})
				if err != nil {
					return err
				}
				e.Defer(func() { s.Close() })
				e.Setenv(name, s.URL())
			}
			e.Setenv("NOWHERE", "nats://127.0.0.1:1")
			e.Setenv("NATS_URL", e.Getenv("PLAIN"))
			e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// exits N COMMAND ARG... runs a command, whose status must be N.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARG...")
	}
	status := "0"
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		status = fmt.Sprint(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if status != args[0] {
		ts.Fatalf("%s: status %s instead of %s", strings.Join(args[1:], " "), status, args[0])
	}
}
