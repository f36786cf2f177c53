package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestEveryPeerAnswers(t *testing.T) {
	b, err := testutil.Command(t, "main").Output()
	out := string(b)
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	var starts, answers, lacking strings.Builder
	for i, p := range []struct{ language, answers string }{
		{"C", "type 101: C heard \"hello, C\"\n"},
		{"PHP", "type 102: PHP heard \"hello, PHP\"\ntype 102: s:17:\"serialized by PHP\";\n"},
		{"Perl", "type 103: Perl heard \"hello, Perl\"\n"},
		{"Python", "type 104: Python heard \"hello, Python\"\n"},
		{"Node", "type 105: Node heard \"hello, Node\"\n"},
		{"Ruby", "type 106: Ruby heard \"hello, Ruby\"\n"},
	} {
		if _, after, missing := strings.Cut(out, p.language+" is left out, "); missing {
			line, _, _ := strings.Cut(after, "\n")
			fmt.Fprintf(&starts, "%s is left out, %s\n", p.language, line)
			fmt.Fprintf(&lacking, " %s (%s)", p.language, line)
			continue
		}
		fmt.Fprintf(&starts, "%s waits for type %d\n", p.language, i+1)
		answers.WriteString(p.answers)
	}
	if _, after, missing := strings.Cut(out, "Baseplate is left out, "); missing {
		answers.WriteString("Baseplate is left out, " + after)
		if os.Getenv("IPCMQ_PEERS") != "" { // neither Debian nor npm has it
			fmt.Fprintf(&lacking, " Baseplate (%s)", strings.TrimSpace(after))
		}
	} else {
		answers.WriteString("Baseplate heard \"hello, Baseplate\"\n")
	}
	if want := starts.String() + answers.String(); out != want {
		t.Errorf("printed\n%s, not\n%s", out, want)
	}
	if lacking.Len() > 0 {
		testutil.Lacking(t, lacking.String())
	}
}
