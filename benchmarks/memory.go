package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"ipcmq/mq"
	"ipcmq/mux"
	"ipcmq/stream"
)

// A holder is something of which a program may have many, with everything that it needs
// to wait for messages.
type holder struct {
	name string

	// types is whether it needs a queue with message types.
	types bool

	// hold makes n of them. They last until the process ends.
	hold func(q mq.Queue, n int) error
}

var holders = []holder{
	{"stream", false, func(q mq.Queue, n int) error {
		for range n {
			if _, err := stream.New(q, nil); err != nil {
				return err
			}
		}
		return nil
	}},
	{"subscription with a reader of its own", true, func(q mq.Queue, n int) error {
		m, err := mux.New(q, nil)
		if err != nil {
			return err
		}
		return subscribeTypes(m, n)
	}},
	{"subscription that shares a reader", false, func(q mq.Queue, n int) error {
		m, err := mux.New(q, nil)
		if err != nil {
			return err
		}
		if _, err := m.Subscribe(mq.Any(), nil); err != nil {
			return err
		}
		if q.Capabilities().MaxType > 0 {
			return subscribeTypes(m, n)
		}
		for range n {
			if _, err := m.Subscribe(mq.Any(), nil); err != nil {
				return err
			}
		}
		return nil
	}},
}

func subscribeTypes(m *mux.Mux, n int) error {
	for i := range n {
		if _, err := m.Subscribe(mq.Type(int64(i+1)), nil); err != nil {
			return err
		}
	}
	return nil
}

// A footprint is what each of many holders needs while it waits.
type footprint struct {
	Name    string
	Count   int     // holders in one process
	Bytes   float64 // of heap and stacks, for each
	Threads float64 // for each
}

// memory measures the holders that a backend supports.
func (b *bench) memory(ctx context.Context, k backend) ([]footprint, error) {
	n := 1000
	if b.quick {
		n = 20
	}
	var all []footprint
	for _, h := range holders {
		if h.types && k.program != systemV.program {
			continue
		}
		r, err := b.work(ctx, line{backend: k, workers: alone}, n, task{Act: actHold, Holder: h.name, Count: n})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.name, err)
		}
		all = append(all, footprint{h.name, n, float64(r.Bytes) / float64(n), float64(r.Threads) / float64(n)})
	}
	return all, nil
}

func alone(_ int, t task) []worker { return []worker{{task: t}} }

// hold holds Count of a holder, and reports what the process needs for them.
func (t task) hold(q mq.Queue) (tally, error) {
	i := slices.IndexFunc(holders, func(h holder) bool { return h.name == t.Holder })
	if i < 0 {
		return tally{}, fmt.Errorf("no holder %q", t.Holder)
	}
	if err := awaitStart(); err != nil {
		return tally{}, err
	}
	// One in advance, so that what all share does not count.
	if err := holders[i].hold(q, 1); err != nil {
		return tally{}, err
	}
	before, err := needs()
	if err != nil {
		return tally{}, err
	}
	if err := holders[i].hold(q, t.Count); err != nil {
		return tally{}, err
	}
	after, err := needs()
	return tally{Bytes: after.Bytes - before.Bytes, Threads: after.Threads - before.Threads}, err
}

// needs returns the memory in use, without garbage, and the threads of this process,
// once all other goroutines are waiting.
func needs() (tally, error) {
	states := []metrics.Sample{
		{Name: "/sched/goroutines/runnable:goroutines"}, {Name: "/sched/goroutines/running:goroutines"},
	}
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		metrics.Read(states)
		if states[0].Value.Uint64() == 0 && states[1].Value.Uint64() == 1 {
			break
		}
		if time.Now().After(deadline) {
			return tally{}, errors.New("the goroutines do not come to rest")
		}
	}
	runtime.GC()
	runtime.GC() // objects with finalizers or in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	n, err := threads()
	return tally{Bytes: int64(m.HeapAlloc + m.StackInuse), Threads: n}, err
}

// writeMemory writes the footprints as Markdown.
func writeMemory(w io.Writer, all []figures) {
	fmt.Fprintln(w, "\n### Memory while waiting")
	fmt.Fprintln(w)
	fmt.Fprintln(w, "| queue | each of | heap and stack | threads |")
	fmt.Fprintln(w, "|---|---|--:|--:|")
	for _, f := range all {
		for _, m := range f.Memory {
			fmt.Fprintf(w, "| %s | %d: %s | %.1f KiB | %.2f |\n", f.Backend, m.Count, m.Name, m.Bytes/1024, m.Threads)
		}
	}
}
