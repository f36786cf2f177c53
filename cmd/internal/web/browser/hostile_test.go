package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq/sysv"
)

// Names and payloads are shown as text everywhere.
func namesAndBodiesOfOthersAreText(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	for _, name := range []string{"/<img src=x onerror=hacked()>", "/<script>hacked()<", "/\"onmouseover=hacked()", "/a\nb", "/\xff\xfe", "/\u202egnp.exe", "/&lt;b&gt;", "/\x1b[31m", "/%0A", "/#token=x&at=y"} {
		newPosix(t, name)
	}
	rename(t, "<b onclick=hacked()>\x1b")
	q := newSysV(t, 42, 0)
	bodies := []string{`<img src=x onerror=hacked()>`, `<script>hacked()</script>`, "\x1b[31m\xff\u202e", `{"<svg onload=hacked()>":"\u003cscript>hacked()</script>"}`, `s:27:"</pre><script>hacked()<!-- ";`, "javascript:hacked()"}
	for _, body := range bodies {
		send(t, q, 1, body)
	}
	b := c.open(t, serve(t))
	b.await("document.querySelectorAll('#rows tr').length === 11")
	harmless := func(where string) {
		t.Helper()
		if n := value[int](b, "document.querySelectorAll('img, iframe, object, embed, script:not([src=\"/page.js\"]), b, [onerror], [onload], [onclick], [onmouseover], a[href^=\"javascript\"]').length"); n != 0 {
			t.Errorf("%s: %d elements that are not of the page", where, n)
		}
		if value[bool](b, `/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e\ufffd]/.test(document.body.textContent)`) {
			t.Errorf("%s: characters that cannot be seen", where)
		}
	}
	harmless("the list")
	if got := b.text("#rows"); !strings.Contains(got, "/<script>hacked()<") || !strings.Contains(got, "/&lt;b&gt;") || !strings.Contains(got, "name:/%FF%FE") {
		t.Errorf("%q", got)
	}
	b.run(row("0x0000002a") + ".querySelector('.open').click()")
	b.await("document.querySelectorAll('#queue .peeked li').length === 6")
	b.run("document.querySelectorAll('#queue .peeked .open').forEach((e) => e.click())")
	b.await("document.querySelectorAll('#queue .hex').length === 6")
	harmless("a queue")
	if got := b.text("#queue"); !strings.Contains(got, `<b onclick=hack`) || !strings.Contains(got, bodies[0]) || !strings.Contains(got, bodies[1]) || !strings.Contains(got, `\x1b[31m\xff\u202e`) {
		t.Errorf("%q", got)
	}
	// Each link leads to its own queue.
	b.run("location.hash = document.querySelector('#to-queues').hash")
	b.await("!document.querySelector('#queues').hidden")
	for _, name := range []string{"/#token=x&at=y", "/&lt;b&gt;", "name:/%FF%FE", "/%0A"} {
		b.run(row(name) + ".querySelector('.open').click()")
		b.await(fmt.Sprintf("document.querySelector('#queue h1')?.textContent === %q && document.querySelector('#queue .big')?.textContent === '0 %%'", name))
		b.run("location.hash = document.querySelector('#to-queues').hash")
		b.await("!document.querySelector('#queues').hidden")
	}
	// Even a mistake in the script of the page would be stopped by the browser.
	b = c.openAs(t, b.url, true)
	if got := value[string](b, "(() => { try { document.body.innerHTML = '<p>x'; return 'done'; } catch (e) { return e.name; } })()"); got != "TypeError" {
		t.Errorf("text became markup: %s", got)
	}
}

// rename gives this process another name.
func rename(t *testing.T, name string) {
	t.Helper()
	before, err := os.ReadFile("/proc/self/comm")
	if err == nil {
		err = os.WriteFile("/proc/self/comm", []byte(name), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile("/proc/self/comm", before, 0o600) })
}

// A page of another origin gets nothing from the server, even with the token, and
// cannot show it in a frame. The same holds for a page whose name leads to this host.
func pagesOfOthersGetNothing(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	newSysV(t, 42, 0)
	url := serve(t)
	base, token, _ := strings.Cut(url, "/#token=")
	attack := fmt.Sprintf(`<!DOCTYPE html><title>attack</title><script>
const tried = (async () => {
  const got = [];
  const attempt = async (name, f) => { try { got.push(name + ': ' + await f()); } catch (e) { got.push(name + ': refused'); } };
  const auth = { headers: { Authorization: 'Bearer %[2]s' } };
  await attempt('fetch with the token', async () => (await fetch('%[1]s/api/messages?at=42', auth)).status);
  await attempt('fetch', async () => (await (await fetch('%[1]s/')).text()).length);
  await attempt('opaque fetch', async () => { const r = await fetch('%[1]s/api/messages?at=42', { mode: 'no-cors' }); return r.type === 'opaque' ? Promise.reject() : r.status; });
  await attempt('EventSource', () => new Promise((yes, no) => { const s = new EventSource('%[1]s/api/queues'); s.onmessage = s.onopen = yes; s.onerror = () => { s.close(); no(); }; }));
  await attempt('script', () => new Promise((yes, no) => { const s = document.createElement('script'); s.type = 'module'; s.src = '%[1]s/page.js'; s.onload = yes; s.onerror = no; document.head.append(s); }));
  await attempt('image', () => new Promise((yes, no) => { const i = new Image(); i.onload = yes; i.onerror = no; i.src = '%[1]s/icon.svg'; }));
  await attempt('post', async () => { const r = await fetch('%[1]s/api/queues', { method: 'POST', body: 'x' }); return r.status; });
  return got;
})();
</script><iframe src="%[1]s/#token=%[2]s"></iframe>`, base, token)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, attack)
	}))
	t.Cleanup(evil.Close)
	b := c.openAs(t, evil.URL, true)
	for _, got := range awaited[[]string](b, "tried") {
		if !strings.HasSuffix(got, ": refused") {
			t.Errorf("another origin: %s", got)
		}
	}
	if got := awaited[int](b, "new Promise((yes) => setTimeout(() => yes(document.querySelector('iframe').contentWindow.length), 0))"); got != 0 {
		t.Errorf("%d frames in the frame", got)
	}

	port := base[strings.LastIndexByte(base, ':')+1:]
	b = c.openAs(t, "http://evil.example:"+port+"/#token="+token, true)
	if got := b.text("body"); !strings.Contains(got, "not known by that name") {
		t.Errorf("a name that leads here: %q", got)
	}
	if got := awaited[int](b, fmt.Sprintf("fetch('/api/messages?at=42', { headers: { Authorization: 'Bearer %s' } }).then((r) => r.status)", token)); got != 403 {
		t.Errorf("a name that leads here: %d", got)
	}
}

// Without the token the page says so, and shows nothing.
func thePageNeedsItsToken(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	newSysV(t, 42, 0)
	base, _, _ := strings.Cut(serve(t), "#")
	b := c.open(t, base)
	b.await("document.querySelector('#notice').textContent.includes('needs the token')")
	b = c.open(t, base+"#token=WRONG")
	b.await("document.querySelector('#notice').textContent.includes('token is missing or wrong')")
	if n := value[int](b, "document.querySelectorAll('#rows tr').length"); n != 0 {
		t.Errorf("%d queues are shown", n)
	}
}

// With 10,000 queues the page shows some, finds each, and stays responsive.
func tenThousandQueues(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	for i := range 10000 {
		newSysV(t, sysv.Key(i+1), 100)
	}
	b := c.open(t, serve(t))
	b.await("document.querySelectorAll('#rows tr').length === 100")
	if got := b.text("#summary"); !strings.Contains(got, "10,000 System V queues") {
		t.Errorf("%q", got)
	}
	if got := b.text("#more"); !strings.Contains(got, "9,900 are not shown") {
		t.Errorf("%q", got)
	}
	b.run("document.querySelector('#more').click()")
	b.await("document.querySelectorAll('#rows tr').length === 300")
	b.press("/")
	for _, key := range "1e61" {
		b.press(string(key))
	}
	b.await("document.querySelectorAll('#rows tr').length === 1 && document.querySelector('#rows .open').textContent === '0x00001e61'")
}

// A payload of a megabyte can be shown from beginning to end.
func aBodyOfAMegabyte(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	const size = 1 << 20
	raise(t, "kernel/msgmax", size)
	raise(t, "kernel/msgmnb", size)
	q := newSysV(t, 42, size)
	send(t, q, 1, `{"text":"`+strings.Repeat("<b>é</b>", size/10)+`"}`)
	b := c.open(t, serve(t)+"&at=42")
	b.await("document.querySelectorAll('#queue .peeked li').length === 1")
	b.run("document.querySelector('#queue .peeked .open').click()")
	b.await("document.querySelector('#queue .hex')")
	if n := value[int](b, "document.querySelector('#queue .shown').textContent.length"); n < 30000 || n > 70000 {
		t.Errorf("%d characters are shown", n)
	}
	b.run("document.querySelectorAll('#queue .steps button')[1].click()")
	b.await("document.querySelector('#queue .hex').textContent.startsWith('00001000')")
}

// raise sets a limit of this namespace for the test.
func raise(t *testing.T, name string, value int) {
	t.Helper()
	file := "/proc/sys/" + name
	before, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(strconv.Itoa(value)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(file, before, 0o644) })
}

// When the server ends the page says so.
func theServerEnds(t *testing.T, c chromium) {
	testutil.NeedNamespace(t)
	newSysV(t, 42, 0)
	url, end := serveUntil(t)
	b := c.open(t, url)
	b.await("document.querySelector('#state').dataset.state === 'live' && document.querySelectorAll('#rows tr').length === 1")
	b.run("{ const until = Date.now() + 1500; while (Date.now() < until); }") // after it was busy the page gets the newest
	send(t, newSysV(t, 43, 10), 1, "0123456789")
	b.await("document.querySelector('#headline').textContent === '0x0000002b is full'")
	end()
	b.await("document.querySelector('#notice').textContent.includes('does not answer')")
}
