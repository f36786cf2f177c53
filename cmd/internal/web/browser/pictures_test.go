package browser_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// A host with queues of all sorts, for pictures: IPCMQ_PICTURES=DIR.
func pictures(t *testing.T, c chromium) {
	if os.Getenv("IPCMQ_PICTURES") == "" {
		t.Skip("IPCMQ_PICTURES is not set")
	}
	testutil.NeedNamespace(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
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
	full := newSysV(t, 0x2a, 16384)
	for full.TrySend(mq.Message{Type: 1, Data: []byte(strings.Repeat("x", 512))}) == nil {
	}
	go func() { _ = full.Send(ctx, mq.Message{Type: 1, Data: make([]byte, 512)}) }()
	filling := newSysV(t, 0x51a2, 16384)
	for i := range 20 {
		send(t, filling, int64(i%3+1), `{"order":`+strings.Repeat("7", 200)+`,"customer":"Müller","items":[{"id":1},{"id":2}]}`)
	}
	send(t, filling, 9, `a:3:{s:2:"id";i:4711;s:4:"name";s:7:"Müller";s:5:"items";a:2:{i:0;s:3:"tea";i:1;s:3:"jam";}}`)
	send(t, filling, 4, "plain text, of a shell script")
	send(t, filling, 5, "\x01\x00\x00\x00\xff\xfe\x7f binary")
	pace(200*time.Millisecond, func(i int) { _ = filling.TrySend(mq.Message{Type: 1, Data: []byte(strings.Repeat("o", 20))}) })
	steady := newSysV(t, 0x100, 65536>>2)
	pace(20*time.Millisecond, func(i int) {
		if i%60 < 35 {
			_ = steady.TrySend(mq.Message{Type: 1, Data: make([]byte, 200)})
		} else {
			_, _ = steady.TryReceive()
			_, _ = steady.TryReceive()
		}
	})
	idle := newSysV(t, 0x7001, 16384)
	go func() { _, _ = idle.Receive(ctx) }()
	jobs, err := sysv.Open(0x7002, &sysv.Config{Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { jobs.Remove(); jobs.Close() })
	for range 6 {
		send(t, jobs, 2, `{"job":"resize","file":"picture.png"}`)
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
	p := newPosix(t, "/mail")
	for range 3 {
		send(t, p, 0, "x")
	}
	newPosix(t, "/<img src=x onerror=alert(1)>")
	in, err := idle.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Remove(); in.Close() })

	url := serve(t)
	b := c.open(t, url)
	b.await("document.querySelectorAll('#rows tr').length === 8")
	b.await("document.querySelector('#rows .line').getAttribute('d').length > 250")
	b.shot("queues")
	b.run("document.querySelector('a[title^=\"0x000051a2\"]').click()")
	b.await("document.querySelectorAll('#queue .peeked li').length > 20")
	b.run("document.querySelectorAll('#queue .peeked .open')[20].click()")
	b.await("document.querySelector('#queue .hex')")
	b.shot("queue")
	b.run("document.querySelector('#queue .shown').scrollIntoView({block: 'center'})")
	b.shot("message")
	b.run("history.back()")
	b.await("!document.querySelector('#queues').hidden")
	b.run("document.querySelector('a[title^=\"0x00007002\"]').click()")
	b.await("document.querySelectorAll('#queue .peeked')[1].children.length === 3")
	b.run("document.querySelectorAll('#queue .part')[1].scrollIntoView({block: 'center'})")
	b.shot("leases")
	b.run("document.querySelector('#to-findings').click()")
	b.await("document.querySelectorAll('#list-of-findings li').length > 3")
	b.shot("findings")
}
