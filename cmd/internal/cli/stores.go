package cli

import (
	"fmt"
	"strings"

	"ipcmq/cmd/internal/collect"
	"ipcmq/mq/large"
)

// segments names some segments of shared memory.
func segments(ids []int) string {
	var texts []string
	for _, id := range ids[:min(len(ids), mostNamed)] {
		texts = append(texts, fmt.Sprint(id))
	}
	text := "segment "
	if len(ids) > 1 {
		text = "segments "
	}
	text += strings.Join(texts, ", ")
	if len(ids) > mostNamed {
		text += fmt.Sprintf(" and %s more", amount(len(ids)-mostNamed))
	}
	return text
}

// checkLarge finds large payloads of queues that are gone, and large payloads of
// queues whose users are gone.
func checkLarge(l collect.Listing) (findings []finding) {
	if n := len(l.Leftovers); n > 0 {
		var ids []int
		payloads, bytes := 0, int64(0)
		for _, o := range l.Leftovers {
			if payloads += o.Payloads; len(ids) == 0 || ids[len(ids)-1] != o.Segment {
				ids = append(ids, o.Segment)
			}
			bytes += o.Bytes
		}
		findings = append(findings, wrong("ipcmq rm --orphaned-payloads", "%s of queues that are gone, %s bytes in shared memory, %s left by programs that have ended: %s",
			plural(payloads, "large payload"), amount(int(bytes)), wasOrWere(payloads), segments(ids)))
	}
	for _, q := range l.Queues {
		if q.Large != nil && usersGone(q) {
			findings = append(findings, note(fmt.Sprintf("ipcmq stat %s shows them; they go away when they are received, or with the queue: ipcmq rm %[1]s", q.Where.Shell()),
				"%s of %s, whose last users are gone, %s %s bytes of shared memory", plural(q.Large.Payloads, "large payload"), q.Address, takeOrTakes(q.Large.Payloads), amount(int(q.Large.Bytes))))
		}
	}
	return findings
}

func wasOrWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func takeOrTakes(n int) string {
	if n == 1 {
		return "takes"
	}
	return "take"
}

// removeOrphanedPayloads frees the large payloads of queues that are gone.
func removeOrphanedPayloads() error {
	before := collect.List().Leftovers
	large.Collect()
	left := map[int]bool{}
	failed := error(nil)
	for _, o := range collect.List().Leftovers {
		left[o.Segment] = true
		report(fmt.Errorf("segment %d: its owner, %s, or root can free it", o.Segment, o.Owner))
		failed = errReported
	}
	payloads := 0
	for _, o := range before {
		if left[o.Segment] {
			continue
		}
		payloads += o.Payloads
		if err := printLine("segment %d: %s, %s bytes", o.Segment, plural(o.Payloads, "payload"), amount(int(o.Bytes))); err != nil {
			return err
		}
	}
	if err := printLine("removed %s", plural(payloads, "payload")); err != nil {
		return err
	}
	return failed
}
