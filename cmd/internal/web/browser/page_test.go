package browser_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// row is an expression for the row of a queue.
func row(address string) string {
	return fmt.Sprintf("[...document.querySelectorAll('#rows tr')].find((r) => r.querySelector('.open').textContent === %q)", address)
}

// The page shows at a glance which queue is full, which one fills, and when it will be full.
func oneSeesWhichQueueFills(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	filling, full := newSysV(t, 1, 16384), newSysV(t, 2, 10)
	newSysV(t, 3, 10)
	b := c.open(t, serve(t))
	b.await("document.querySelectorAll('#rows tr').length === 3")
	if got := b.text("#headline"); got != "No queue fills" {
		t.Errorf("%q", got)
	}
	testutil.Await(t, func() error {
		send(t, filling, 1, strings.Repeat("x", 50))
		if got := b.text("#headline"); !strings.HasPrefix(got, "0x00000001 will be full in ") || !strings.Contains(got, ", at ") {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
	first := "document.querySelector('#rows tr')"
	if got := value[string](b, first+".querySelector('.trend').innerText"); !strings.Contains(got, "full in") {
		t.Errorf("%q", got)
	}
	if value[string](b, first+".querySelector('.ahead').getAttribute('d')") == "" {
		t.Error("where the trend leads is not drawn")
	}
	for range 10 {
		send(t, full, 1, "x")
	}
	b.await("document.querySelector('#headline').textContent === '0x00000002 is full'")
	if got := b.text("#rows tr:first-child"); !strings.Contains(got, "0x00000002") || !strings.Contains(got, "100 %") || !strings.Contains(got, "FULL") {
		t.Errorf("%q", got)
	}
	if got := value[float64](b, first+".querySelector('.bar span').getBoundingClientRect().width / "+first+".querySelector('.bar').getBoundingClientRect().width"); got != 1 {
		t.Errorf("the bar is %v full", got)
	}
	if got := value[string](b, "document.title"); !strings.HasPrefix(got, "(") {
		t.Errorf("%q", got)
	}
	if err := full.Remove(); err != nil {
		t.Fatal(err)
	}
	b.await("document.querySelectorAll('#rows tr').length === 2")
}

func aQueuesPageShowsWhatIsInIt(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	q, err := sysv.Open(42, &sysv.Config{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	for i, data := range []string{"to be lent", `{"a":[1,2]}`, `a:1:{s:1:"k";d:0.5;}`, "plain", "\x00\xff"} {
		send(t, q, int64(i+1), data)
	}
	r, err := q.SelectLeases(mq.Type(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Lease(t.Context()); err != nil {
		t.Fatal(err)
	}
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Remove(); in.Close() })
	waiting, err := q.Select(mq.Type(99))
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan error, 1)
	go func() { _, err := waiting.Receive(t.Context()); received <- err }()
	testutil.AwaitAsleep(t, os.Getpid(), 1, "do_msgrcv")
	before, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}

	b := c.open(t, serve(t))
	b.await(row("0x0000002a"))
	b.run(row("0x0000002a") + ".querySelector('.open').click()")
	b.await("document.querySelectorAll('#queue .peeked')[0].children.length === 4 && document.querySelectorAll('#queue .peeked')[1].children.length === 1")
	messages := b.text("#queue .peeked")
	for _, want := range []string{"type 2", "JSON", `{"a":[1,2]}`, "PHP", "text", "plain", "binary", `\x00\xff`, "2 B"} {
		if !strings.Contains(messages, want) {
			t.Errorf("%q is not in %q", want, messages)
		}
	}
	page := b.text("#queue")
	me := fmt.Sprintf("%d ", os.Getpid())
	for _, want := range []string{"1 held", me, "attempt 1", "runs out in", " waits for a message", "id:", "with " + me, "0600"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in %q", want, page)
		}
	}
	for i, want := range []string{"{\n  \"a\": [\n    1,\n    2\n  ]\n}", "[\n  \"k\" => 0.5,\n]", "plain", `\x00\xff`} {
		at := fmt.Sprintf("document.querySelectorAll('#queue .peeked li')[%d]", i)
		b.run(at + ".querySelector('.open').click()")
		b.await(at + ".querySelector('.hex')")
		if got := value[string](b, at+".querySelector('.shown').textContent"); got != want {
			t.Errorf("%d: %q instead of %q", i, got, want)
		}
	}
	if got := value[string](b, "document.querySelectorAll('#queue .hex')[3].textContent"); !strings.HasPrefix(got, "00000000  00 ff ") {
		t.Errorf("%q", got)
	}
	if after, err := q.Stat(); err != nil || after != before {
		t.Errorf("the queue was %+v, and is %+v, %v", before, after, err)
	}

	send(t, q, 7, "one more") // appears while the others stay open
	b.await("document.querySelectorAll('#queue .peeked')[0].children.length === 5")
	if n := value[int](b, "document.querySelectorAll('#queue .hex').length"); n != 4 {
		t.Errorf("%d messages are open", n)
	}
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	<-received
	b.await("document.querySelector('#queue .notice:not([hidden])')?.textContent.includes('somebody has removed it')")
	b.await("document.querySelector('#state').dataset.state === 'off'")
}

func theKeyboardSuffices(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	for key := range 4 {
		q := newSysV(t, sysv.Key(key+1), 100)
		for range key {
			send(t, q, 1, strings.Repeat("x", 10))
		}
	}
	b := c.open(t, serve(t))
	b.await("document.querySelectorAll('#rows tr').length === 4")
	focused := func() string { return value[string](b, "document.activeElement.textContent") }
	for _, step := range []struct{ key, want string }{{"j", "0x00000004"}, {"j", "0x00000003"}, {"ArrowDown", "0x00000002"}, {"k", "0x00000003"}, {"ArrowUp", "0x00000004"}, {"ArrowUp", "0x00000004"}} {
		b.press(step.key)
		if got := focused(); got != step.want {
			t.Errorf("%s leads to %q, not %q", step.key, got, step.want)
		}
	}
	b.press("Enter")
	b.await("!document.querySelector('#queue').hidden && document.querySelector('#queue h1').textContent === '0x00000004'")
	b.await("document.querySelectorAll('#queue .peeked li').length === 3")
	b.press("j")
	b.press("Enter")
	b.await("document.querySelector('#queue .hex')")
	b.press("Escape")
	b.await("!document.querySelector('#queues').hidden && document.querySelector('#queue').hidden")
	b.press("s")
	b.await("document.querySelector('#sort').value === 'fill'")
	b.press("/")
	for _, key := range "0002" {
		b.press(string(key))
	}
	b.await("document.querySelectorAll('#rows tr').length === 1")
	b.press("Escape")
	b.await("document.querySelectorAll('#rows tr').length === 4 && document.querySelector('#filter').value === ''")
	b.press("?")
	b.await("document.querySelector('#help').open")
	b.press("Escape")
	b.await("!document.querySelector('#help').open")
	b.press("f")
	b.await("document.querySelectorAll('#list-of-findings li').length > 3")
	b.press("q")
	b.await("!document.querySelector('#queues').hidden")
}

// The page fits every width, and its text is readable in both themes: it has the
// contrast that WCAG 2 requires, 4.5.
func thePageFitsAndCanBeRead(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	full := newSysV(t, 1, 10)
	for range 10 {
		send(t, full, 1, "x")
	}
	newPosix(t, "/"+strings.Repeat("long", 40))
	b := c.open(t, serve(t))
	b.await("document.querySelectorAll('#rows tr').length === 2 && document.querySelector('#count').textContent !== ''")
	look := func(what string) {
		t.Helper()
		for _, theme := range []string{"light", "dark"} {
			b.theme(theme)
			for _, width := range []int64{320, 390, 700, 930, 1100, 1280, 1920} {
				b.width(width)
				if got := value[int64](b, "document.documentElement.scrollWidth"); got > width {
					t.Errorf("%s is %d wide on a screen of %d: %s", what, got, width, value[string](b, widest))
				}
			}
			for _, faint := range value[[]string](b, unreadable) {
				t.Errorf("%s, %s: %s", what, theme, faint)
			}
		}
		b.width(1280)
	}
	look("the list")
	b.run(row("0x00000001") + ".querySelector('.open').click()")
	b.await("document.querySelectorAll('#queue .peeked li').length === 10")
	b.run("document.querySelector('#queue .peeked .open').click()")
	b.await("document.querySelector('#queue .hex')")
	look("a queue")
	b.run("document.querySelector('#to-findings').click()")
	b.await("document.querySelectorAll('#list-of-findings li').length > 3")
	look("findings")
}

const widest = `[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map((e) => e.outerHTML.slice(0, 100)).join()`

// unreadable returns the elements whose text has too little contrast.
const unreadable = `(() => {
  const parse = (c) => { const v = c.match(/[\d.]+/g).map(Number); return { rgb: v.slice(0, 3), a: v.length > 3 ? v[3] : 1 }; };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a === 1) return c.rgb; } return [255, 255, 255]; };
  return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
    const [a, b] = [light(parse(getComputedStyle(e).color).rgb), light(behind(e))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    return contrast < 4.5 ? contrast.toFixed(2) + ' ' + e.outerHTML.slice(0, 120) : '';
  }).filter((s) => s);
})()`
