package web

import (
	"context"
	"sync"
	"time"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/internal/visible"
)

// A snapshot is what was seen in an interval. It is immutable once published.
type snapshot struct {
	at       time.Time
	rows     []row          // in the order of ls
	byID     map[string]int // in rows
	problems []string       // why queues may be missing
	slow     *slowly
}

// slowly holds what is not checked in each interval.
type slowly struct {
	findings      []Finding
	dead, unknown map[string]bool // inboxes, by address
	took          time.Duration
}

const (
	// firstLook is how long the first measurement takes; a user waits for it.
	firstLook = 100 * time.Millisecond

	// lingering is how long queues are still looked at when nobody watches any more.
	lingering = time.Minute

	// diagnoseEvery is the minimum time between two diagnoses, which use at most one
	// diagnosePart-th of a processor.
	diagnoseEvery = 10 * time.Second
	diagnosePart  = 20
)

// A watch looks at the queues while somebody watches. It keeps only the newest snapshot
// and waits for nobody: a slow watcher misses snapshots.
type watch struct {
	config Config
	wake   chan struct{} // somebody watches

	mu       sync.Mutex
	watchers int
	left     time.Time     // when the last watcher left
	newest   *snapshot     // nil while nobody watches
	changed  chan struct{} // closed by the next snapshot
}

func newWatch(c Config) *watch {
	return &watch{config: c, wake: make(chan struct{}, 1), changed: make(chan struct{})}
}

// join makes the watch look at queues until the returned function is called.
func (w *watch) join() (leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watchers++
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.watchers--
		w.left = time.Now()
	}
}

// next returns a snapshot newer than the given one, or nil if ctx ends first.
func (w *watch) next(ctx context.Context, than *snapshot) *snapshot {
	for {
		w.mu.Lock()
		newest, changed := w.newest, w.changed
		w.mu.Unlock()
		if newest != nil && newest != than {
			return newest
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// run looks at the queues, while somebody watches, until ctx ends.
func (w *watch) run(ctx context.Context) {
	for {
		select {
		case <-w.wake:
			w.measure(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// measure looks at the queues until nobody has watched for the time lingering.
func (w *watch) measure(ctx context.Context) {
	m := collect.NewMeter(min(firstLook, w.config.Interval))
	defer m.Close()
	var other sync.WaitGroup
	defer other.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	diagnosed := make(chan *slowly, 1)
	diagnose := func(after time.Duration) { other.Go(func() { w.diagnose(ctx, after, diagnosed) }) }
	diagnose(0)
	var slow *slowly
	for {
		gauges, problems := m.Measure(ctx)
		if ctx.Err() != nil {
			return
		}
		m.Interval = w.config.Interval
		select {
		case slow = <-diagnosed:
			diagnose(max(diagnoseEvery, diagnosePart*slow.took))
		default:
		}
		s := &snapshot{at: time.Now(), rows: make([]row, len(gauges)), byID: make(map[string]int, len(gauges)), slow: slow}
		for i := range gauges {
			s.rows[i] = newRow(&gauges[i], w.config.Interval, slow)
			s.byID[s.rows[i].ID] = i
		}
		for _, err := range problems {
			s.problems = append(s.problems, visible.Line(w.config.Explain(err)))
		}
		if !w.publish(s) {
			return
		}
	}
}

// publish makes s the newest snapshot. It returns false if nobody watches any more.
func (w *watch) publish(s *snapshot) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watchers == 0 && time.Since(w.left) > lingering {
		w.newest = nil
		return false
	}
	w.newest = s
	close(w.changed)
	w.changed = make(chan struct{})
	return true
}

// diagnose checks, after a delay, what is not checked in each interval.
func (w *watch) diagnose(ctx context.Context, after time.Duration, to chan<- *slowly) {
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return
	}
	begun := time.Now()
	inboxes, _ := collect.List().Inboxes() // findings report what could not be seen
	s := &slowly{dead: setOf(inboxes.Dead), unknown: setOf(inboxes.Unknown)}
	if w.config.Diagnose != nil {
		s.findings = w.config.Diagnose()
		for i := range s.findings {
			f := &s.findings[i]
			f.Text, f.Remedy = visible.Line(f.Text), visible.Line(f.Remedy)
		}
	}
	s.took = time.Since(begun)
	to <- s // there is room for one, and no other diagnosis is running
}

func setOf(all []address.Address) map[string]bool {
	set := map[string]bool{}
	for _, a := range all {
		set[a.String()] = true
	}
	return set
}

// idOf returns the address that identifies a queue: a key may later belong to another
// queue.
func idOf(q collect.Queue) string {
	if q.ID != nil {
		return address.OfID(*q.ID).String()
	}
	return q.Address
}
