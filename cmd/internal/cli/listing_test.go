package cli_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ipcmq/cmd/internal/cli"
)

// Names of queues, users and processes are bytes chosen by others: whatever they are,
// a listing and top have a line for each queue that cannot control a terminal, and an
// address in a listing leads back to its queue.
func FuzzListedNames(f *testing.F) {
	f.Add("jobs", "root", "perl")
	f.Add("a\nb", "x\x1b[31m", "(sd-pam)\r\n0x2a  7")
	f.Add("\xff\xfe ", "", "\u202e\u200b")
	f.Add("a b;c%0A", "name:", strings.Repeat("é", 300))
	f.Fuzz(func(t *testing.T, name, owner, command string) {
		if name == "" || strings.ContainsAny(name, "/\x00") {
			return // no queue has this name
		}
		shown, address := cli.Listing("/"+name, owner, command)
		view := cli.View(80, 24, nil, cli.Gauge{Address: address, Messages: 1, Capacity: 10, Receivers: 1, Command: command})
		for what, text := range map[string]string{"listing": shown, "top": view} {
			if !utf8.ValidString(text) {
				t.Errorf("%s of %q, %q, %q is no UTF-8: %q", what, name, owner, command, text)
			}
			for _, r := range text {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Errorf("%s of %q, %q, %q has %q: %q", what, name, owner, command, r, text)
				}
			}
		}
		if n := strings.Count(shown, "\n"); n != 2 {
			t.Errorf("%d lines instead of 2: %q", n, shown)
		}
		if n := strings.Count(view, "\n"); n != 5 {
			t.Errorf("%d lines of top instead of 5: %q", n, view)
		}
		if fields := strings.Fields(shown[strings.Index(shown, "\n"):]); fields[0] != address {
			t.Errorf("the address %q is shown as %q", address, fields[0])
		}
		if again, err := cli.NameOf(address); err != nil || again != "/"+name {
			t.Errorf("%q is the address of %q, %v instead of %q", address, again, err, "/"+name)
		}
	})
}
