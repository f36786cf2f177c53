package testutil

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// envOtherWords is the command that runs the test binary for a processor whose words
// have another size, such as an emulator with its path; .ci/run sets it.
const envOtherWords = "IPCMQ_TEST_OTHER_WORDS"

// OtherWords is [Command] for the test binary of a processor whose words have another
// size. It skips the test where there is none.
func OtherWords(tb testing.TB, role string, args ...string) *exec.Cmd {
	tb.Helper()
	command := strings.Fields(os.Getenv(envOtherWords))
	if len(command) == 0 {
		tb.Skipf("%s names no program for processors whose words have another size", envOtherWords)
	}
	cmd := Command(tb, role, args...)
	cmd.Path, cmd.Args = exec.Command(command[0]).Path, append(command, cmd.Args[1:]...)
	return cmd
}
