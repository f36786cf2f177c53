package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"
)

// A meter measures from the last message of the warm-up to the last of all.
type meter struct {
	job     job
	seen    int
	start   time.Time
	startOf time.Duration // processor time at the start
	before  runtime.MemStats

	report report
	err    error // of writing a profile
}

func newMeter(j job) *meter { return &meter{job: j} }

// count counts one message.
func (m *meter) count() {
	m.seen++
	if m.seen == m.job.Warm {
		m.begin()
	} else if m.seen == m.job.Warm+m.job.Count {
		m.end()
	}
}

func (m *meter) begin() {
	if m.job.Profile != "" {
		var f *os.File
		if f, m.err = os.Create(m.job.Profile); m.err == nil {
			m.err = pprof.StartCPUProfile(f)
		}
	}
	runtime.ReadMemStats(&m.before)
	m.startOf = processorTime()
	m.start = time.Now()
}

func (m *meter) end() {
	m.report.NS = time.Since(m.start).Nanoseconds()
	m.report.CPU = (processorTime() - m.startOf).Nanoseconds()
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	m.report.Mallocs = after.Mallocs - m.before.Mallocs
	pprof.StopCPUProfile()
}

// processorTime returns the processor time that this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
