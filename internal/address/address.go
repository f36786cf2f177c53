// Package address parses and formats queue addresses and message selectors on
// the command lines of ipcmq and ipcmq-bridge.
package address

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"ipcmq/internal/visible"
	"ipcmq/mq/sysv"
)

// A Kind is the kind of an address.
type Kind int

// The kinds of addresses.
const (
	Key       Kind = iota // 42, 0x2a, -42 or ftok:PATH,A: a System V queue
	ID                    // id:7: a System V queue
	Name                  // /jobs, or name:/a%0Ab: a POSIX queue
	JetStream             // js:orders
)

// An Address names a queue. Addresses can be compared with ==.
type Address struct {
	Kind Kind
	Key  sysv.Key // of kind Key
	ID   int      // of kind ID
	Name string   // of kinds Name, with its slash, and JetStream
}

// OfName returns the address of the POSIX queue name.
func OfName(name string) Address { return Address{Kind: Name, Name: name} }

// OfID returns the address of the System V queue id.
func OfID(id int) Address { return Address{Kind: ID, ID: id} }

// IsSysV reports whether a names a System V queue.
func (a Address) IsSysV() bool { return a.Kind == Key || a.Kind == ID }

// Prefixes of addresses.
const (
	idPrefix        = "id:"
	ftokPrefix      = "ftok:"
	namePrefix      = "name:" // of a POSIX queue, in which %0A is a byte
	jetstreamPrefix = "js:"
)

// Parse parses the address of a kernel queue. An error names the address and
// says what is wrong; if it is of no known kind, it lists the kinds.
func Parse(s string) (Address, error) {
	return parse(s, "it is a key (42, 0x2a, -42), id:7, ftok:PATH,A or /name")
}

// ParseAny is like Parse, but also parses the address of a queue on JetStream.
func ParseAny(s string) (Address, error) {
	name, ok := strings.CutPrefix(s, jetstreamPrefix)
	switch {
	case ok && name == "":
		return Address{}, fmt.Errorf("address %q: the name of the queue is missing, such as js:orders", s)
	case ok:
		return Address{Kind: JetStream, Name: name}, nil
	}
	return parse(s, "it is a key (42, 0x2a, -42), id:7, ftok:PATH,A, /name or js:name")
}

func parse(s, kinds string) (Address, error) {
	if strings.HasPrefix(s, "/") {
		return OfName(s), nil
	}
	if escaped, ok := strings.CutPrefix(s, namePrefix); ok {
		name, err := unescape(escaped)
		if err != nil {
			return Address{}, fmt.Errorf("address %q: %w", s, err)
		}
		return OfName(name), nil
	}
	if id, ok := strings.CutPrefix(s, idPrefix); ok {
		n, err := strconv.ParseInt(id, 10, 32)
		if err != nil || n < 0 {
			return Address{}, fmt.Errorf("address %q: the id is a number such as id:7", s)
		}
		return OfID(int(n)), nil
	}
	if file, ok := strings.CutPrefix(s, ftokPrefix); ok {
		i := strings.LastIndexByte(file, ',')
		if i < 1 {
			return Address{}, fmt.Errorf("address %q: it is ftok:PATH,A with a character or a number", s)
		}
		proj, err := parseProject(file[i+1:])
		if err != nil {
			return Address{}, fmt.Errorf("address %q: %w", s, err)
		}
		key, err := sysv.Ftok(file[:i], proj)
		return Address{Key: key}, err
	}
	key, err := sysv.ParseKey(s)
	if err != nil {
		return Address{}, fmt.Errorf("address %q: %s", s, kinds)
	}
	return Address{Key: key}, nil
}

// parseProject parses the project of ftok(3): one character other than a digit
// stands for its code, as in C.
func parseProject(s string) (byte, error) {
	if len(s) == 1 && (s[0] < '0' || s[0] > '9') {
		return s[0], nil
	}
	n, err := strconv.ParseUint(s, 0, 8)
	if err != nil {
		return 0, fmt.Errorf("the project %q is a character or a number up to 255", s)
	}
	return byte(n), nil
}

// String returns the text that ParseAny parses as a. The name of a POSIX queue
// with blanks, invisible characters, or bytes that are not UTF-8 is written as
// name:/a%0Ab; queues on JetStream have no such names.
func (a Address) String() string {
	return a.format(func(name string) bool { return visible.IsPlain(name) && !strings.Contains(name, " ") })
}

// Shell is String for a command line: names with characters that have a meaning
// for a shell are escaped too.
func (a Address) Shell() string {
	return a.format(func(name string) bool {
		return visible.IsPlain(name) && !strings.ContainsFunc(name, func(r rune) bool { return !shellSafe(r) })
	})
}

// format returns the address, with a name escaped unless it is plain.
func (a Address) format(plain func(name string) bool) string {
	switch a.Kind {
	case ID:
		return idPrefix + strconv.Itoa(a.ID)
	case Name:
		if strings.HasPrefix(a.Name, "/") && plain(a.Name) {
			return a.Name
		}
		return namePrefix + escape(a.Name)
	case JetStream:
		return jetstreamPrefix + a.Name
	}
	return a.Key.String()
}

// shellSafe reports whether r has no meaning for any shell, anywhere in a word
// that begins with a letter or a slash.
func shellSafe(r rune) bool {
	return strings.ContainsRune("/._-+,:@=", r) || unicode.IsLetter(r) || unicode.IsNumber(r)
}

// escape returns name with each byte written as %0A, except ASCII letters,
// digits, and some punctuation.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c < 0x80 && shellSafe(rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// unescape undoes escape. Any byte may be written as %0A.
func unescape(s string) (string, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if len(s) < i+3 {
			return "", fmt.Errorf("%q is no byte: after %% stand two hexadecimal digits", s[i:])
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("%q is no byte: after %% stand two hexadecimal digits", s[i:i+3])
		}
		b = append(b, byte(n))
		i += 2
	}
	if len(b) == 0 || b[0] != '/' {
		return "", errors.New("behind name: stands the name of a POSIX queue, which begins with a slash")
	}
	return string(b), nil
}
