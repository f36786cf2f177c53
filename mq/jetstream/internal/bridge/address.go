package bridge

import (
	"fmt"
	"strconv"
	"strings"

	"ipcmq/mq/sysv"
)

// An address names a queue on the command line, those of the kernel as the
// command ipcmq does.
type address struct {
	text string // as it was given
	js   string // the name of a queue on JetStream
	name string // the name of a POSIX queue
	byID bool
	id   int
	key  sysv.Key
}

func (a address) jetstream() bool { return a.js != "" }
func (a address) posix() bool     { return a.name != "" }
func (a address) String() string  { return a.text }

func parseAddress(s string) (address, error) {
	a, err := readAddress(s)
	a.text = s
	if err != nil {
		return a, usageError{err}
	}
	return a, nil
}

func readAddress(s string) (address, error) {
	if name, ok := strings.CutPrefix(s, "js:"); ok {
		if name == "" {
			return address{}, fmt.Errorf("address %q: the name of the queue is missing, such as js:orders", s)
		}
		return address{js: name}, nil
	}
	if strings.HasPrefix(s, "/") {
		return address{name: s}, nil
	}
	if id, ok := strings.CutPrefix(s, "id:"); ok {
		n, err := strconv.ParseInt(id, 10, 32)
		if err != nil || n < 0 {
			return address{}, fmt.Errorf("address %q: the id is a number such as id:7", s)
		}
		return address{byID: true, id: int(n)}, nil
	}
	if file, ok := strings.CutPrefix(s, "ftok:"); ok {
		i := strings.LastIndexByte(file, ',')
		if i < 1 {
			return address{}, fmt.Errorf("address %q: it is ftok:PATH,A with a character or a number", s)
		}
		proj, err := readProject(file[i+1:])
		if err != nil {
			return address{}, fmt.Errorf("address %q: %w", s, err)
		}
		key, err := sysv.Ftok(file[:i], proj)
		return address{key: key}, err
	}
	key, err := sysv.ParseKey(s)
	if err != nil {
		return address{}, fmt.Errorf("address %q: it is a key (42, 0x2a, -42), id:7, ftok:PATH,A, /name or js:name", s)
	}
	return address{key: key}, nil
}

// readProject reads the project of ftok(3): one character other than a digit
// stands for its code, as in C.
func readProject(s string) (byte, error) {
	if len(s) == 1 && (s[0] < '0' || s[0] > '9') {
		return s[0], nil
	}
	n, err := strconv.ParseUint(s, 0, 8)
	if err != nil {
		return 0, fmt.Errorf("the project %q is a character or a number up to 255", s)
	}
	return byte(n), nil
}
