package address_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"

	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(k sysv.Key) address.Address { return address.Address{Key: k} }

func TestAddressesAreParsedAndFormatted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a,b")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ftok, err := sysv.Ftok(file, 'A')
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text   string
		want   address.Address
		string string
		shell  string // as string if empty
	}{
		{"42", key(42), "0x0000002a", ""},
		{"0x2a", key(42), "0x0000002a", ""},
		{"-42", key(0xffffffd6), "0xffffffd6", ""},
		{"id:0", address.OfID(0), "id:0", ""},
		{"id:2147483647", address.OfID(1<<31 - 1), "id:2147483647", ""},
		{"ftok:" + file + ",A", key(ftok), ftok.String(), ""},
		{"ftok:" + file + ",65", key(ftok), ftok.String(), ""},
		{"ftok:" + file + ",0x41", key(ftok), ftok.String(), ""},
		{"/jobs", address.OfName("/jobs"), "/jobs", ""},
		{"/name:x", address.OfName("/name:x"), "/name:x", ""},
		{"/%0A", address.OfName("/%0A"), "/%0A", "name:/%250A"},
		{"/a b", address.OfName("/a b"), "name:/a%20b", ""},
		{"/a\nb", address.OfName("/a\nb"), "name:/a%0Ab", ""},
		{"/\xff", address.OfName("/\xff"), "name:/%FF", ""},
		{"/\u202eä", address.OfName("/\u202eä"), "name:/%E2%80%AE%C3%A4", ""},
		{"/größe", address.OfName("/größe"), "/größe", ""},
		{"/x;reboot", address.OfName("/x;reboot"), "/x;reboot", "name:/x%3Breboot"},
		{"/$(id)", address.OfName("/$(id)"), "/$(id)", "name:/%24%28id%29"},
		{"name:/jobs", address.OfName("/jobs"), "/jobs", ""},
		{"name:/a%0ab", address.OfName("/a\nb"), "name:/a%0Ab", ""},
		{"name:%2f%6A", address.OfName("/j"), "/j", ""},
	} {
		got, err := address.Parse(test.text)
		if err != nil || got != test.want {
			t.Errorf("%q: %+v, %v instead of %+v", test.text, got, err, test.want)
		}
		if any, err := address.ParseAny(test.text); err != nil || any != got {
			t.Errorf("%q is %+v, %v with queues on JetStream", test.text, any, err)
		}
		if test.shell == "" {
			test.shell = test.string
		}
		if got.String() != test.string || got.Shell() != test.shell {
			t.Errorf("%q is written as %q and, for a shell, %q", test.text, got, got.Shell())
		}
	}
	js := address.Address{Kind: address.JetStream, Name: "orders"}
	if got, err := address.ParseAny("js:orders"); err != nil || got != js || got.String() != "js:orders" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestInvalidAddressesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                 `address "": it is a key (42, 0x2a, -42), id:7, ftok:PATH,A or /name`,
		"0":                `address "0": it is a key`,
		"jobs":             `address "jobs": it is a key`,
		"js:orders":        `address "js:orders": it is a key`,
		"4294967296":       `address "4294967296": it is a key`,
		"id:":              `address "id:": the id is a number such as id:7`,
		"id:-1":            "the id is a number",
		"id:2147483648":    "the id is a number",
		"ftok:":            "it is ftok:PATH,A",
		"ftok:,A":          "it is ftok:PATH,A",
		"ftok:/,":          `the project "" is a character or a number up to 255`,
		"ftok:/,256":       `the project "256"`,
		"ftok:/,AB":        `the project "AB"`,
		"ftok:/no/file,A":  "/no/file",
		"name:":            "behind name: stands the name of a POSIX queue, which begins with a slash",
		"name:jobs":        "which begins with a slash",
		"name:/a%":         `"%" is no byte: after % stand two hexadecimal digits`,
		"name:/a%0":        `"%0" is no byte`,
		"name:/a%0gb":      `"%0g" is no byte`,
		"name:/a%+1b":      `"%+1" is no byte`,
		"name:/a\x1b[31m%": `address "name:/a\x1b[31m%"`,
	} {
		if a, err := address.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
	}
	for text, want := range map[string]string{
		"js:":  "the name of the queue is missing, such as js:orders",
		"jobs": `address "jobs": it is a key (42, 0x2a, -42), id:7, ftok:PATH,A, /name or js:name`,
	} {
		if a, err := address.ParseAny(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
	}
}

// A parsed address is formatted so that it is parsed to the same, and harmless
// for terminals and shells.
func FuzzAddress(f *testing.F) {
	for _, text := range []string{"42", "-42", "id:7", "ftok:/,A", "/jobs", "/a\n\xff;b", "name:/a%0Ab%", "js:orders"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := address.ParseAny(text)
		if err != nil {
			return
		}
		for _, written := range []string{a.String(), a.Shell()} {
			if again, err := address.ParseAny(written); err != nil || again != a {
				t.Errorf("%q is read as %+v, written as %q and read as %+v, %v", text, a, written, again, err)
			}
		}
		if a.Kind == address.JetStream {
			return // its name is checked by the backend
		}
		for _, r := range a.String() {
			if !unicode.IsPrint(r) || r == ' ' {
				t.Errorf("%q is written as %q", text, a)
			}
		}
		if shell := a.Shell(); !utf8.ValidString(shell) || strings.ContainsAny(shell, " \n\t\\'\"`$&|;<>(){}[]*?!#~^") {
			t.Errorf("%q is written as %q for shells", text, shell)
		}
	})
}

func TestSelectorsAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]mq.Selector{
		"0": mq.Any(), "7": mq.Type(7), "-7": mq.UpTo(7), "!7": mq.Except(7), "9223372036854775807": mq.Type(1<<63 - 1),
	} {
		got, err := address.ParseSelector(text)
		if err != nil || got != want || address.FormatSelector(got) != text {
			t.Errorf("%s: %v, %q, %v", text, got, address.FormatSelector(got), err)
		}
	}
	for _, text := range []string{"", "x", "!", "!0", "!-1", "-9223372036854775808", "9223372036854775808", "1.5", "--7"} {
		if got, err := address.ParseSelector(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func FuzzSelector(f *testing.F) {
	for _, text := range []string{"0", "7", "-7", "!7"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := address.ParseSelector(text)
		if err != nil {
			return
		}
		if again, err := address.ParseSelector(address.FormatSelector(s)); err != nil || again != s {
			t.Errorf("%q is %v, and again %v, %v", text, s, again, err)
		}
	})
}

func ExampleAddress_String() {
	fmt.Println(address.OfName("/jobs"))
	fmt.Println(address.OfName("/two\nlines"))
	// Output:
	// /jobs
	// name:/two%0Alines
}
