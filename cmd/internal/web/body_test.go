package web_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"ipcmq/cmd/internal/web"
	"ipcmq/internal/testutil"
)

func TestABodyIsShownAsWhatItIs(t *testing.T) {
	for data, want := range map[string]struct{ kind, text string }{
		"":                                    {"empty", ""},
		"hello\nworld":                        {"text", "hello\nworld"},
		"from C\x00":                          {"text", `from C\x00`},
		"größe":                               {"text", "größe"},
		"override \u202e":                     {"text", `override \u202e`},
		"\xff":                                {"binary", `\xff`},
		"\x01\x00\x00\x00":                    {"binary", `\x01\x00\x00\x00`},
		"\x1b[31m":                            {"binary", `\x1b[31m`},
		"{}":                                  {"JSON", "{}"},
		`{"a":[1,{"b":"x\"]\\"}],"c":{}}`:     {"JSON", "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x\\\"]\\\\\"\n    }\n  ],\n  \"c\": {}\n}"},
		` [ 1 , 12345678901234567890 ] `:      {"JSON", "[\n  1,\n  12345678901234567890\n]"},
		"\"a\u202eb\"":                        {"JSON", `"a\u202eb"`},
		"{not json}":                          {"text", "{not json}"},
		"7":                                   {"text", "7"},
		"N;":                                  {"PHP", "null"},
		"b:1;":                                {"PHP", "true"},
		"i:-5;":                               {"PHP", "-5"},
		"d:0.5;":                              {"PHP", "0.5"},
		`s:6:"größe";`:                        {"text", `s:6:"größe";`},
		`s:7:"größe";`:                        {"PHP", `"größe"`},
		`s:3:"a"b";`:                          {"PHP", `"a\"b"`},
		`a:0:{}`:                              {"PHP", "[]"},
		`a:2:{i:0;i:1;s:1:"k";a:0:{}}`:        {"PHP", "[\n  0 => 1,\n  \"k\" => [],\n]"},
		`O:5:"Order":1:{s:2:"id";i:7;}`:       {"PHP", "Order {\n  \"id\" => 7,\n}"},
		"O:1:\"A\":1:{s:4:\"\x00A\x00p\";N;}": {"PHP", "A {\n  \"\\x00A\\x00p\" => null,\n}"},
		`E:11:"Suit:Hearts";`:                 {"PHP", "Suit::Hearts"},
		`C:1:"A":3:{xyz}`:                     {"PHP", "A {xyz}"},
		`a:1:{i:0;R:1;}`:                      {"PHP", "[\n  0 => (the same as value 1),\n]"},
		`a:1:{i:0;i:1;}x`:                     {"text", `a:1:{i:0;i:1;}x`},
		`a:999999999:{}`:                      {"text", `a:999999999:{}`},
		`a:1:{a:0:{}i:1;}`:                    {"text", `a:1:{a:0:{}i:1;}`},
		`i:99999999999999999999;`:             {"text", `i:99999999999999999999;`},
	} {
		if kind, text, cut := web.Body([]byte(data)); kind != want.kind || text != want.text || cut {
			t.Errorf("%q is %s %q, %t, instead of %s %q", data, kind, text, cut, want.kind, want.text)
		}
	}
	long := strings.Repeat("é", 40<<10)
	if kind, text, cut := web.Body([]byte("x" + long)); kind != "text" || !cut || !utf8.ValidString(text) || strings.Contains(text, `\x`) {
		t.Errorf("%s, %t: %.10q ... %q", kind, cut, text, text[len(text)-10:])
	}
	if kind, text := web.Beginning([]byte("x" + long)); kind != "text" || strings.Contains(text, `\x`) || len(text) < 150 {
		t.Errorf("%s: %q", kind, text)
	}
	if kind, text := web.Beginning(bytes.Repeat([]byte{0xff}, 300)); kind != "binary" || len(text) != 160*4 {
		t.Errorf("%s: %q", kind, text)
	}
}

// The output of PHP itself can be read.
func TestPHPsOwnFormatIsRead(t *testing.T) {
	if _, err := exec.LookPath("php"); err != nil {
		testutil.Lacking(t, "php")
	}
	out, err := exec.Command("php", "-r", `class A { public $x = [1, 2.5, null, true, "é\"\\"]; protected $y = "y"; private $z; } enum S { case H; }
$a = new A; $a->self = $a; $a->list = new SplObjectStorage; $a->inf = INF; $a->suit = S::H; echo serialize($a);`).Output()
	if err != nil {
		t.Fatal(err)
	}
	kind, text, cut := web.Body(out)
	for _, want := range []string{"A {\n", "1 => 2.5,\n", `"é\"\\"`, "\"self\" => (the same as value 1),\n", "S::H", "\"inf\" => INF"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if kind != "PHP" || cut {
		t.Errorf("%s, %t: %s", kind, cut, text)
	}
}

// Whatever the bytes are, the text is visible and bounded, JSON keeps its meaning, and
// it does not take long.
func FuzzBody(f *testing.F) {
	for _, data := range []string{`{"a":[1,"x\"\\"],"c":{}}`, `a:1:{i:0;s:1:"x";}`, "\xff\x00", `O:1:"A":1:{s:1:"x";N;}`, `"\\\""`, strings.Repeat("[", 2000) + strings.Repeat("]", 2000)} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		begun := time.Now()
		kind, text, cut := web.Body(data)
		_, start := web.Beginning(data)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%d bytes took %v", len(data), took)
		}
		if len(text) > 10*(64<<10) || !utf8.ValidString(text) || len(start) > 10*160 {
			t.Errorf("%d bytes of text, %d of its beginning", len(text), len(start))
		}
		for _, r := range text + start {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%q is in %q", r, text)
			}
		}
		if kind == "JSON" && !cut {
			var before, after bytes.Buffer
			if err := json.Compact(&before, data); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
			if err := json.Compact(&after, []byte(text)); err == nil && before.String() != after.String() && isVisible(data) {
				t.Errorf("%s became %s", &before, &after)
			}
		}
	})
}

// isVisible reports whether nothing in data needs an escape.
func isVisible(data []byte) bool {
	for _, r := range string(data) {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}
