package posix

import (
	"fmt"
	"strconv"
	"strings"

	"ipcmq/mq"
)

// maxName is the maximum length of a name in bytes, without its slash
// (NAME_MAX).
const maxName = 255

// checkName returns an error that says what is wrong with the name of a queue.
func checkName(op, name string) error {
	bad := func(format string, args ...any) error {
		shown := name
		if len(shown) > 64 {
			shown = shown[:64] + "..."
		}
		return &mq.Error{Op: op, Queue: strconv.Quote(shown), Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
	}
	rest, slash := strings.CutPrefix(name, "/")
	switch {
	case name == "":
		return bad("the name is empty; names are a slash and 1 to %d bytes, such as /jobs", maxName)
	case !slash:
		return bad("the name does not begin with a slash; it should be %q", "/"+name)
	case rest == "":
		return bad("the name is only a slash; 1 to %d bytes must follow it", maxName)
	case strings.Contains(rest, "/"):
		return bad("the name has a second slash; names of queues have no directories")
	case rest == "." || rest == "..":
		return bad(". and .. are not allowed after the slash")
	case strings.Contains(rest, "\x00"):
		return bad("the name contains a NUL byte")
	case len(rest) > maxName:
		return bad("the name has %d bytes after its slash, but only %d are allowed", len(rest), maxName)
	}
	return nil
}
