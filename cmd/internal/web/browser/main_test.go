// Package browser_test looks at the page of ipcmq web with Debian's Chromium. It is a
// module of its own, so that only those who test the page need the browser driver.
package browser_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"ipcmq/cmd/internal/cli"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// The test binary is also the command.
func TestMain(m *testing.M) {
	testutil.Main(m, map[string]func(){"ipcmq": func() { os.Exit(cli.Main(os.Args[1:])) }})
}

// TestPage looks at the page in one browser.
func TestPage(t *testing.T) {
	c := start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, chromium)
	}{
		{"OneSeesWhichQueueFills", oneSeesWhichQueueFills},
		{"AQueuesPageShowsWhatIsInIt", aQueuesPageShowsWhatIsInIt},
		{"TheKeyboardSuffices", theKeyboardSuffices},
		{"ThePageFitsAndCanBeRead", thePageFitsAndCanBeRead},
		{"NamesAndBodiesOfOthersAreText", namesAndBodiesOfOthersAreText},
		{"PagesOfOthersGetNothing", pagesOfOthersGetNothing},
		{"ThePageNeedsItsToken", thePageNeedsItsToken},
		{"TenThousandQueues", tenThousandQueues},
		{"ABodyOfAMegabyte", aBodyOfAMegabyte},
		{"TheServerEnds", theServerEnds},
		{"Pictures", pictures},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

// A chromium is a running browser.
type chromium struct{ ctx context.Context }

// start starts Chromium, or ends the test.
func start(t *testing.T) chromium {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		testutil.Lacking(t, "chromium (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, // there is no sandbox for root
		chromedp.Flag("host-resolver-rules", "MAP evil.example 127.0.0.1"))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return chromium{ctx}
}

// serve runs ipcmq web and returns its URL.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	url, _ := serveUntil(t, args...)
	return url
}

// serveUntil is serve with a function that kills the server.
func serveUntil(t *testing.T, args ...string) (url string, end func()) {
	t.Helper()
	cmd := testutil.Command(t, "ipcmq", append([]string{"web", "--listen", "127.0.0.1:0", "--interval", "100ms"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), func() { cmd.Process.Kill(); cmd.Wait() }
}

// A tab shows a page.
type tab struct {
	ctx context.Context
	t   *testing.T
	url string
}

// open opens a URL in a new tab. The test fails if the page has an error, violates its
// own policy, or requests anything from elsewhere.
func (c chromium) open(t *testing.T, url string) tab {
	t.Helper()
	return c.openAs(t, url, false)
}

// openAs is open for a page that may be an attacker's, named evil.example.
func (c chromium) openAs(t *testing.T, url string, attacker bool) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx)
	t.Cleanup(cancel)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error(err)
		}
	})
	origin, token, _ := strings.Cut(url, "#token=")
	token, _, _ = strings.Cut(token, "&")
	err := chromedp.Listen(ctx, func(event any) {
		if attacker {
			return
		}
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
				t.Errorf("the page: %s", e.Entry.Text)
			}
		case *network.EventRequestWillBeSent:
			if u := e.Request.URL; !strings.HasPrefix(u, origin) || token != "" && strings.Contains(u, token) {
				t.Errorf("the page asks for %s", u)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	b := tab{ctx, t, url}
	b.do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(url))
	return b
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// run runs a statement of JavaScript.
func (b tab) run(script string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](script))
}

// value returns the value of a JavaScript expression.
func value[T any](b tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// awaited is value for a promise.
func awaited[T any](b tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// press presses a key, given by its character or name. As with a keyboard, the key-down
// event types the character, unless the page prevents that.
func (b tab) press(key string) {
	b.t.Helper()
	down := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key}
	if code, ok := map[string]int64{"Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40}[key]; ok {
		down.Text, down.WindowsVirtualKeyCode = map[string]string{"Enter": "\r"}[key], code
	}
	up := down
	up.Type, up.Text = input.DispatchKeyEventTypeKeyUp, ""
	for _, p := range []input.DispatchKeyEventParams{down, up} {
		if _, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, p); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b tab) width(n int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(n, 844))
}

// await waits until a JavaScript condition holds.
func (b tab) await(condition string) {
	b.t.Helper()
	testutil.Await(b.t, func() error {
		if !value[bool](b, "!!("+condition+")") {
			return fmt.Errorf("not so: %s", condition)
		}
		return nil
	})
}

// text returns the visible text of the first element that matches a selector.
func (b tab) text(selector string) string {
	b.t.Helper()
	return value[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText || ''", selector))
}

// shot saves pictures in the directory IPCMQ_PICTURES, if that is set, at two widths
// and in both themes.
func (b tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("IPCMQ_PICTURES")
	if dir == "" {
		return
	}
	for _, width := range []int64{1280, 390} {
		for _, theme := range []string{"light", "dark"} {
			b.width(width)
			b.theme(theme)
			picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			if err == nil {
				err = os.WriteFile(fmt.Sprintf("%s/%s-%d-%s.png", dir, name, width, theme), picture, 0o644)
			}
			if err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.width(1280)
}

func (b tab) theme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	if err != nil {
		b.t.Fatal(err)
	}
}

func newSysV(t *testing.T, key sysv.Key, capacity int) *sysv.Queue {
	t.Helper()
	testutil.NeedNamespace(t)
	q, err := sysv.Open(key, &sysv.Config{Capacity: capacity})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	return q
}

func newPosix(t *testing.T, name string) *posix.Queue {
	t.Helper()
	testutil.NeedMqueue(t)
	q, err := posix.Open(name, &posix.Config{MaxMessages: 4, MaxMessageSize: 16, Blocking: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Unlink(); q.Close() })
	return q
}

func send(t *testing.T, q mq.Sender, kind int64, data string) {
	t.Helper()
	if err := q.TrySend(mq.Message{Type: kind, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}
