package cli_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// Completion is tested as a user would use it, with the Tab key, in each shell.
func TestShellsComplete(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	s, err := sysv.Open(0xc0ffee, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Remove(); s.Close() })
	p, err := posix.Open("/completed; it is", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Unlink(); p.Close() })

	const bashCompletion = "/usr/share/bash-completion/bash_completion"
	for _, shell := range []struct {
		name  string
		start []string
		setUp string
		needs string
	}{
		{"bash", []string{"bash", "--norc", "--noprofile", "-i"}, "source <(ipcmq completion bash)", "/bin/bash"},
		{"bash with bash-completion", []string{"bash", "--norc", "--noprofile", "-i"},
			"source " + bashCompletion + "; source <(ipcmq completion bash)", bashCompletion},
		{"zsh", []string{"zsh", "-f", "-i"}, "autoload -U compinit; compinit -u -D; source <(ipcmq completion zsh)", "/usr/bin/zsh"},
		{"fish", []string{"fish", "--private", "--no-config", "-i"}, "ipcmq completion fish | source", "/usr/bin/fish"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			if _, err := os.Stat(shell.needs); err != nil {
				testutil.Lacking(t, shell.needs)
			}
			terminal := testutil.NewTerminal(t, 24, 200)
			cmd := exec.Command(shell.start[0], shell.start[1:]...)
			cmd.Env = append(os.Environ(), "PATH="+bin(t)+":"+os.Getenv("PATH"), "HOME="+t.TempDir(), "TERM=dumb", "GORACE="+quickExit)
			terminal.Attach(cmd)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				cmd.Process.Kill()
				cmd.Wait()
			})
			lines := 0
			// check types a line, and checks that its output contains all parts.
			check := func(typed string, parts ...string) {
				lines++
				terminal.Type(t, fmt.Sprintf("%s; echo en''d-of-%d\r", typed, lines)) // so that the echo of the input differs from the output
				end := fmt.Sprintf("end-of-%d", lines)
				// A shell may need a long time to read its functions.
				for deadline := time.Now().Add(time.Minute); !strings.Contains(terminal.Shown(), end) && time.Now().Before(deadline); {
					<-time.After(10 * time.Millisecond)
				}
				for _, part := range append(parts, end) {
					if shown := terminal.Shown(); !strings.Contains(shown, part) {
						t.Fatalf("after %q: no %q in %q", typed, part, shown)
					}
				}
			}
			check(shell.setUp)
			check("ipcmq sta\t0x00c0f\t", "   System V") // the name of a command, and a key
			check("ipcmq stat name\t", "   POSIX")       // an address with a colon
			if err := s.TrySend(mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
				t.Fatal(err)
			}
			check("ipcmq recv 0x00c0ffee --no-w\t--form\tj\t", `"data":"aGVsbG8="`) // flags, and the value of one
			if err := s.TrySend(mq.Message{Type: 1, Data: []byte("equal")}); err != nil {
				t.Fatal(err)
			}
			check("ipcmq recv 0x00c0ffee --no-wait --format=j\t", `"data":"ZXF1YWw="`)
			if shown := terminal.Shown(); strings.Contains(shown, "command not found") {
				t.Errorf("it shows %q", shown)
			}
			if _, err := s.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
				t.Error(err)
			}
		})
	}
}
