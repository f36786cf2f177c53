package browser_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// Saves pictures of the page, and of top, in the directory IPCMQ_PICTURES: of a host
// with all sorts of queues, after two minutes.
func pictures(t *testing.T, c chromium) {
	dir := os.Getenv("IPCMQ_PICTURES")
	if dir == "" {
		t.Skip("IPCMQ_PICTURES is not set")
	}
	testutil.NeedNamespace(t)
	busyHost(t)
	terminal := testutil.NewTerminal(t, 14, 150)
	top := testutil.Command(t, "ipcmq", "top", "--sort", "fill")
	top.Env = append(top.Environ(), "TERM=xterm-256color", "NO_COLOR=")
	terminal.Attach(top)
	if err := top.Start(); err != nil {
		t.Fatal(err)
	}
	b := c.open(t, serve(t, "--interval", "1s"))
	for begun := time.Now(); time.Since(begun) < 125*time.Second; { // each await gives up after 10 seconds
		b.await("document.querySelectorAll('#rows tr').length === 9")
		<-time.After(time.Second)
	}
	b.await("document.querySelector('#headline').dataset.level === 'soon'")
	b.shot("queues")
	b.picture(dir+"/web.png", 1200, 660)
	b.run(row("/orders") + ".querySelector('.open').click()")
	b.await("document.querySelector('#queue .big')?.textContent")
	b.shot("posix")
	b.run("history.back()")
	b.await("!document.querySelector('#queues').hidden")
	b.run(row("0x000051a2") + ".querySelector('.open').click()")
	b.await("document.querySelectorAll('#queue .peeked li').length > 20")
	b.run("document.querySelectorAll('#queue .peeked .open')[1].click()")
	b.await("document.querySelector('#queue .hex')")
	b.shot("queue")
	b.run("document.querySelector('#queue .shown').scrollIntoView({block: 'center'})")
	b.shot("message")
	b.run("history.back()")
	b.await("!document.querySelector('#queues').hidden")
	b.run(row("0x00007002") + ".querySelector('.open').click()")
	b.await("document.querySelectorAll('#queue .peeked')[1].children.length === 3")
	b.run("document.querySelectorAll('#queue .part')[1].scrollIntoView({block: 'center'})")
	b.shot("leases")
	b.run("document.querySelector('#to-findings').click()")
	b.await("document.querySelectorAll('#list-of-findings li').length > 3")
	b.shot("findings")

	screen := asPage(terminal.Shown())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, screen)
	}))
	t.Cleanup(s.Close)
	c.open(t, s.URL).picture(dir+"/top.png", 1300, 290)
}

// picture saves a picture of the light theme.
func (b tab) picture(name string, width, height int64) {
	b.t.Helper()
	b.theme("light")
	b.do(chromedp.EmulateViewport(width, height))
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(name, picture, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

var styles = regexp.MustCompile(`\x1b\[([0-9;]*)m`)

// asPage returns the screen of top as a page that looks like a terminal.
func asPage(shown string) string {
	screen := make([]string, 14)
	for at := strings.Index(shown, "H\x1b[2K"); at >= 0; {
		start := strings.LastIndex(shown[:at], "\x1b[") + 2
		n := 0
		fmt.Sscan(shown[start:at], &n)
		rest := shown[at+len("H\x1b[2K"):]
		end := strings.Index(rest, "H\x1b[2K")
		line := rest
		if end >= 0 {
			line = rest[:strings.LastIndex(rest[:end], "\x1b[")]
		}
		if n >= 1 && n <= len(screen) {
			screen[n-1] = line
		}
		shown, at = rest, end
	}
	var b strings.Builder
	for _, line := range screen {
		line = html.EscapeString(line)
		line = styles.ReplaceAllStringFunc(line, func(s string) string {
			parameters := styles.FindStringSubmatch(s)[1]
			if parameters == "" {
				return "</span>"
			}
			return `<span class="s` + strings.ReplaceAll(parameters, ";", " s") + `">`
		})
		b.WriteString(line + "\n")
	}
	return `<!DOCTYPE html><style>body{margin:0;background:#171c25}pre{margin:14px 18px;font:14px/18px "DejaVu Sans Mono",monospace;color:#dde3ec}
.s1{font-weight:700}.s2{color:#7f8a9c}.s4{text-decoration:underline;text-underline-offset:3px}.s31{color:#ff6b63}.s32{color:#4cba8f}.s33{color:#eda435}.s7{background:#ff6b63;color:#171c25}</style><pre>` + b.String() + `</pre>`
}

// busyHost creates queues that fill, are full, come and go, and lend messages.
func busyHost(t *testing.T) {
	t.Helper()
	rename(t, "shop")
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	pace := func(every time.Duration, do func(i int)) {
		go func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-tick.C:
					do(i)
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	orders := newSysV(t, 0x51a2, 16384)
	send(t, orders, 9, `a:3:{s:2:"id";i:4711;s:4:"name";s:7:"Müller";s:5:"items";a:2:{i:0;s:3:"tea";i:1;s:3:"jam";}}`)
	send(t, orders, 3, `{"order":4712,"customer":"Müller","items":[{"sku":"tea","n":2},{"sku":"jam","n":1}],"paid":true}`)
	send(t, orders, 4, "plain text, of a shell script")
	send(t, orders, 5, "\x01\x00\x00\x00\xff\xfe\x7f binary, of a C program")
	pace(700*time.Millisecond, func(i int) {
		_ = orders.TrySend(mq.Message{Type: int64(i%3 + 1), Data: fmt.Appendf(nil, `{"order":%d,"customer":"Müller","items":[{"sku":"tea","n":%d}]}`, 4713+i, i%5+1)})
	})
	waves := newSysV(t, 0x100, 16384)
	pace(20*time.Millisecond, func(i int) {
		if i%400 < 260 {
			_ = waves.TrySend(mq.Message{Type: 1, Data: make([]byte, 14)})
		} else {
			_, _ = waves.TryReceive()
			_, _ = waves.TryReceive()
		}
	})
	idle := newSysV(t, 0x7001, 16384)
	go func() { _, _ = idle.Receive(ctx) }()
	jobs, err := sysv.Open(0x7002, &sysv.Config{Lease: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { jobs.Remove(); jobs.Close() })
	for i := range 6 {
		send(t, jobs, 2, fmt.Sprintf(`{"job":"resize","file":"picture-%d.png"}`, i))
	}
	r, err := jobs.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := r.Lease(ctx); err != nil {
			t.Fatal(err)
		}
	}
	raise(t, "fs/mqueue/msg_max", 200)
	open := func(name string, most int) *posix.Queue {
		q, err := posix.Open(name, &posix.Config{MaxMessages: most, MaxMessageSize: 16, Blocking: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Unlink(); q.Close() })
		return q
	}
	full := open("/orders", 200)
	for full.TrySend(mq.Message{Data: []byte("x")}) == nil {
	}
	pace(1300*time.Millisecond, func(i int) { // a queue that is read slowly
		_, _ = full.TryReceive()
		if i%2 == 0 {
			_ = full.TrySend(mq.Message{Data: []byte("x")})
		}
	})
	steady := open("/mail", 100)
	for range 35 {
		send(t, steady, 0, "x")
	}
	pace(90*time.Millisecond, func(i int) {
		if i%8 < 4 {
			_ = steady.TrySend(mq.Message{Data: []byte("x")})
		} else {
			_, _ = steady.TryReceive()
		}
	})
	open("/events", 10)
	open("/<img src=x onerror=alert(1)>", 10)
	in, err := idle.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Remove(); in.Close() })
}
