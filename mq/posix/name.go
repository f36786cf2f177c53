package posix

import (
	"fmt"
	"strconv"
	"strings"

	"ipcmq/mq"
)

// maxName is the most bytes of a name behind its slash (NAME_MAX).
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
		return bad("the name is a slash alone; behind it stand 1 to %d bytes", maxName)
	case strings.Contains(rest, "/"):
		return bad("the name has a second slash; names of queues have no directories")
	case rest == "." || rest == "..":
		return bad("behind the slash, . and .. are no names")
	case strings.Contains(rest, "\x00"):
		return bad("the name contains a NUL byte")
	case len(rest) > maxName:
		return bad("the name has %d bytes behind its slash, and %d are allowed", len(rest), maxName)
	}
	return nil
}
