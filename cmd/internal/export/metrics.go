// Package export exports metrics of the host's queues to Prometheus.
package export

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/internal/visible"
)

// Config selects the queues that have metrics.
type Config struct {
	// MaxQueues is the maximum number of queues with metrics of their own; the
	// others are counted. Queues with a key or a name come first, inboxes last, so
	// that the choice is not random.
	MaxQueues int

	// Inboxes enables metrics of each inbox. Each client creates one under a new name,
	// so that the number of time series keeps growing.
	Inboxes bool

	// OnCollect, if not nil, is called after each collection, one at a time.
	OnCollect func(*collect.Host)
}

// Metrics is a prometheus.Collector. It may be used by several goroutines; those
// that collect at the same time share one look at the host.
type Metrics struct {
	config Config

	mu   sync.Mutex // held while looking at the host
	last *collect.Host
}

// New returns the metrics of the host.
func New(c Config) *Metrics { return &Metrics{config: c} }

// look returns the state of the host, from a look that began after this call.
func (m *Metrics) look() *collect.Host {
	asked := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil || m.last.Begun.Before(asked) {
		m.last = collect.Look()
		if m.config.OnCollect != nil {
			m.config.OnCollect(m.last)
		}
	}
	return m.last
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ipcmq_"+name, help, labels, nil)
}

// Metrics of each queue. Values that are unknown, or of events that never happened,
// are left out.
var (
	queueInfo = describe("queue_info", "A queue: its id (System V), owner, mode, and whether it is an inbox for replies.",
		"kind", "queue", "id", "owner", "mode", "inbox")
	queueMessages         = ofQueue("messages", "Messages waiting in the queue.")
	queueBytes            = ofQueue("bytes", "Bytes of payload waiting in the queue.")
	queueCapacityMessages = ofQueue("capacity_messages", "Maximum number of messages in the queue.")
	queueCapacityBytes    = ofQueue("capacity_bytes", "Maximum bytes of payload in the queue.")
	queueUsed             = ofQueue("used_ratio", "How full the queue is, 0 to 1: by messages, and for System V by bytes if that is more.")
	queueLastSend         = ofQueue("last_send_timestamp_seconds", "When a message was last sent, to the second (System V).")
	queueLastReceive      = ofQueue("last_receive_timestamp_seconds", "When a message was last received, to the second (System V).")
	queueChanged          = ofQueue("changed_timestamp_seconds", "System V: when the queue was created or set. POSIX: when it was created, or a message was last sent or received.")
	queueReceivers        = ofQueue("waiting_receivers", "Threads that wait in the kernel for a message; those in pollers and of hidden processes (ipcmq_unseen) are not seen.")
	queueSenders          = ofQueue("waiting_senders", "Threads that wait in the kernel for room; those in pollers and of hidden processes (ipcmq_unseen) are not seen.")
)

// Metrics of each queue of which a message was ever lent.
var (
	queueHeld      = ofQueue("leases_held", "Messages that processes have on lease. They are no longer in the queue.")
	queueReturned  = ofQueue("leases_returned", "Messages that were given back, to be lent again later.")
	queueDue       = ofQueue("leases_due", "Messages, of both kinds, to be lent again now: the lease has run out, the delay is over, or the holder has ended.")
	queueDead      = ofQueue("leases_of_dead", "Messages held by processes that have ended.")
	queueSlots     = ofQueue("pool_slots", "Maximum number of messages lent at once.")
	queueSlotsUsed = ofQueue("pool_used_slots", "Slots of the pool in use.")
	queuePool      = ofQueue("pool_bytes", "Shared memory for lent messages; pages are allocated when they are first used.")
)

// Metrics of each queue that has large payloads.
var (
	queueLarge      = ofQueue("large_payloads", "Payloads in shared memory whose tickets are in the queue, or lent.")
	queueLargeBytes = ofQueue("large_bytes", "Bytes of these payloads.")
)

func ofQueue(name, help string) *prometheus.Desc {
	return describe("queue_"+name, help, "kind", "queue")
}

// Metrics of the host.
var (
	queues        = describe("queues", "Queues that could be listed, including inboxes.", "kind")
	queuesOmitted = describe("queues_omitted", "Queues without metrics of their own: inboxes, and those above the limit of queues.", "kind")
	inboxesThere  = describe("inboxes", "Inboxes for replies to requests.", "kind")
	inboxesDead   = describe("dead_inboxes", "Inboxes whose process has ended (ipcmq rm --dead-inboxes).", "kind")
	orphans       = describe("orphaned_pools", "Pools of leases in shared memory whose queues are gone (ipcmq rm --orphaned-pools).")
	badPools      = describe("unusable_pools", "Shared memory under the keys of queues that cannot be used for leases: of another user or version, or damaged (ipcmq doctor).")
	limit         = describe("limit", "Limits of this IPC namespace, and of the exporter's user: a sysctl, or RLIMIT_MSGQUEUE. Missing if unlimited.", "limit")
	limitUsed     = describe("limit_used", "How much is used of those limits that queues share.", "limit")
	unseen        = describe("unseen", "What could not be seen, by kind; all 0 if everything could.", "what")
	took          = describe("collect_duration_seconds", "How long it took to look at the queues.")
)

// Describe sends the descriptions of all metrics.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		queueInfo, queueMessages, queueBytes, queueCapacityMessages, queueCapacityBytes, queueUsed, queueLastSend,
		queueLastReceive, queueChanged, queueReceivers, queueSenders,
		queueHeld, queueReturned, queueDue, queueDead, queueSlots, queueSlotsUsed, queuePool,
		queues, queuesOmitted, inboxesThere, inboxesDead, orphans, badPools, limit, limitUsed, unseen, took,
	} {
		to <- d
	}
}

// Collect looks at the host and sends all metrics.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	h := m.look()
	s := sender(to)
	kinds := []string{collect.SysV, collect.Posix}
	there, omitted, boxes, dead := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, q := range h.Queues {
		there[q.Kind]++
		if q.Inbox {
			boxes[q.Kind]++
		}
	}
	for _, a := range h.Inboxes.Dead {
		if a.IsSysV() {
			dead[collect.SysV]++
		} else {
			dead[collect.Posix]++
		}
	}
	shown := map[string]bool{} // a queue that is created again meanwhile may be listed twice
	for _, q := range inOrder(h.Queues) {
		if shown[q.Address] {
			continue
		}
		if q.Inbox && !m.config.Inboxes || len(shown) >= m.config.MaxQueues {
			omitted[q.Kind]++
			continue
		}
		shown[q.Address] = true
		s.queue(q, h.WaitErr == nil)
	}
	for _, kind := range kinds {
		s.send(queues, there[kind], kind)
		s.send(queuesOmitted, omitted[kind], kind)
		s.send(inboxesThere, boxes[kind], kind)
		s.send(inboxesDead, dead[kind], kind)
	}
	s.send(orphans, len(h.Orphans))
	s.send(badPools, len(h.BadPools))
	s.limits(h)
	u := h.Unseen()
	for what, n := range map[string]int{
		"sysv_queues": u.SysVQueues, "posix_queues": u.PosixQueues, "queue_states": u.States, "waiting_processes": u.Waiting, "pools": u.Pools,
		"processes_with_unlinked_queues": u.Unlinked, "inbox_owners": u.Inboxes, "limits": u.Limits,
	} {
		s.send(unseen, n, what)
	}
	to <- prometheus.MustNewConstMetric(took, prometheus.GaugeValue, h.Took.Seconds())
}

// inOrder returns the queues in the order in which they get metrics: by name, by
// key, private ones, inboxes.
func inOrder(all []collect.Queue) []collect.Queue {
	rank := func(q collect.Queue) int {
		switch {
		case q.Inbox:
			return 2
		case q.Where.Kind == address.ID: // without a key
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(all), func(a, b collect.Queue) int { return cmp.Compare(rank(a), rank(b)) })
}

// A sender sends metrics.
type sender chan<- prometheus.Metric

func (s sender) send(d *prometheus.Desc, value int, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
}

// queue sends the metrics of a queue, with its waiters only if these could be seen.
func (s sender) queue(q collect.Queue, waiting bool) {
	id := ""
	if q.ID != nil {
		id = strconv.Itoa(*q.ID)
	}
	s.send(queueInfo, 1, q.Kind, q.Address, id, visible.Line(q.Owner), q.Mode, strconv.FormatBool(q.Inbox))
	known := func(d *prometheus.Desc, value float64) {
		if value >= 0 {
			s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, q.Kind, q.Address)
		}
	}
	at := func(d *prometheus.Desc, t *time.Time) {
		if t != nil && !t.IsZero() {
			known(d, float64(t.UnixMilli())/1000)
		}
	}
	known(queueMessages, float64(q.Messages))
	known(queueBytes, float64(q.Bytes))
	known(queueCapacityBytes, float64(q.Capacity))
	known(queueUsed, q.Fill())
	switch {
	case q.Kind == collect.SysV: // as many as bytes
		known(queueCapacityMessages, float64(q.Capacity))
	case q.MaxMessages > 0:
		known(queueCapacityMessages, float64(q.MaxMessages))
	}
	at(queueLastSend, q.LastSend)
	at(queueLastReceive, q.LastReceive)
	at(queueChanged, &q.Changed)
	if l := q.Leases; l != nil && l.Held >= 0 {
		known(queueHeld, float64(l.Held))
		known(queueReturned, float64(l.Returned))
		known(queueDue, float64(l.Due))
		known(queueDead, float64(l.Dead))
		known(queueSlots, float64(l.Slots))
		known(queueSlotsUsed, float64(l.Slots-l.Free))
		known(queuePool, float64(l.Bytes))
	}
	if q.Large != nil {
		known(queueLarge, float64(q.Large.Payloads))
		known(queueLargeBytes, float64(q.Large.Bytes))
	}
	if waiting {
		receivers, senders := q.CountWaiting()
		known(queueReceivers, float64(receivers))
		known(queueSenders, float64(senders))
	}
}
