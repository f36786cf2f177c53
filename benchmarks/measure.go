package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// limit is when a run is taken to hang.
const limit = 2 * time.Minute

// A bench runs the processes of the benchmarks.
type bench struct {
	exe      string // this program
	programs string // directory of the C programs
	pairs    int
	quick    bool   // a few messages, to see that everything works
	profiles string // directory for CPU profiles of the timed Go processes; or empty
}

// A spread is the median of some figures, with the least and the greatest.
type spread struct{ Median, Min, Max float64 }

// A result is what was measured for a row: medians of all pairs.
type result struct {
	Name    string
	Backend string
	Shape   string
	Layer   string
	Size    int // bytes

	Speed  spread  // time of C / time of ours, of each pair
	C      float64 // nanoseconds for a message or round trip
	Ours   float64
	Allocs float64 // of ours, for a message or round trip, all processes together
	CPUC   float64 // seconds for a million messages or round trips, all processes together
	CPU    float64
}

// measure does all of p, and tells the standard error what it has come to.
func (b *bench) measure(ctx context.Context, p plan) (results, error) {
	var err error
	if b.exe, err = os.Executable(); err != nil {
		return results{}, err
	}
	if b.programs, err = os.MkdirTemp("", "ipcmq-benchmarks-"); err != nil {
		return results{}, err
	}
	defer os.RemoveAll(b.programs)
	if err := buildC(ctx, b.programs); err != nil {
		return results{}, err
	}
	all := results{Machine: thisMachine(ctx, b.pairs)}
	for i, r := range p.rows {
		fmt.Fprintf(os.Stderr, "%d/%d %s\n", i+1, len(p.rows), r.name())
		one, err := b.compare(ctx, r)
		if err != nil {
			return results{}, err
		}
		all.Rows = append(all.Rows, one)
	}
	for _, backend := range p.figures {
		fmt.Fprintln(os.Stderr, figuresName(backend))
		f, err := b.figures(ctx, backend)
		if err != nil {
			return results{}, fmt.Errorf("%s: %w", figuresName(backend), err)
		}
		all.Figures = append(all.Figures, f)
	}
	return all, nil
}

// compare measures C and ours in turn.
func (b *bench) compare(ctx context.Context, r row) (result, error) {
	var speed, c, ours, allocs, cpuC, cpu []float64
	for range b.pairs {
		theirs, err := b.run(ctx, r, r.shape.c)
		if err != nil {
			return result{}, fmt.Errorf("%s: in C: %w", r.name(), err)
		}
		mine, err := b.run(ctx, r, r.shape.ours)
		if err != nil {
			return result{}, fmt.Errorf("%s: %w", r.name(), err)
		}
		speed = append(speed, theirs.ns/mine.ns)
		c, ours, allocs = append(c, theirs.ns), append(ours, mine.ns), append(allocs, mine.allocs)
		cpuC, cpu = append(cpuC, theirs.cpu), append(cpu, mine.cpu)
	}
	return result{
		Name: r.name(), Backend: r.backend.title, Shape: r.shape.title, Layer: r.layer, Size: r.size,
		Speed: spreadOf(speed), C: median(c), Ours: median(ours),
		Allocs: median(allocs), CPUC: median(cpuC), CPU: median(cpu),
	}, nil
}

func median(v []float64) float64 { return spreadOf(v).Median }

func spreadOf(v []float64) spread {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}

// A sample is what one run of one side took.
type sample struct{ ns, allocs, cpu float64 } // as in result

// run does the work of a row once, with queues of its own.
func (b *bench) run(ctx context.Context, r row, s side) (_ sample, err error) {
	j := job{Backend: r.backend.name, Layer: r.layer, Size: r.size, Count: r.shape.count}
	if b.quick {
		j.Count = 50
	}
	j.Warm = max(j.Count/10, 1)
	remove, err := j.makeQueues(r.backend, len(s) > 1)
	defer func() { err = errors.Join(err, remove()) }()
	if err != nil {
		return sample{}, err
	}

	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	reports, cpu := make([]report, len(s)), make([]time.Duration, len(s))
	for i, p := range s {
		j := j
		j.Role = p.role
		if b.profiles != "" && i == 0 {
			j.Profile = filepath.Join(b.profiles, strings.ReplaceAll(r.name(), "/", "-")+".prof")
		}
		cmd := b.goCommand(ctx, j)
		if p.inC {
			cmd = b.cCommand(ctx, r.backend.program, p.spins, j)
		}
		group.Go(func() (err error) {
			reports[i], cpu[i], err = execute(ctx, cmd)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return sample{}, err
	}
	total := sample{ns: float64(reports[0].NS) / float64(j.Count)}
	for i := range s {
		total.allocs += float64(reports[i].Mallocs) / float64(j.Count)
		total.cpu += cpu[i].Seconds() / float64(j.Warm+j.Count) * 1e6
	}
	return total, nil
}

// makeQueues makes the queues of the job, one or two. Call remove in any case.
func (j *job) makeQueues(b backend, two bool) (remove func() error, err error) {
	var removes []func() error
	remove = func() error {
		var errs []error
		for _, r := range removes {
			errs = append(errs, r())
		}
		return errors.Join(errs...)
	}
	add := func() (string, error) {
		address, r, err := b.create()
		if err == nil {
			removes = append(removes, r)
		}
		return address, err
	}
	if j.There, err = add(); err != nil {
		return remove, err
	}
	j.Back = j.There
	if two {
		j.Back, err = add()
	}
	return remove, err
}

// goCommand returns the command that does j in Go.
func (b *bench) goCommand(ctx context.Context, j job) *exec.Cmd {
	arg, err := json.Marshal(j)
	if err != nil {
		panic(err) // a job holds strings and numbers
	}
	return exec.CommandContext(ctx, b.exe, childArg, string(arg))
}

// cCommand returns the command that does j in C.
func (b *bench) cCommand(ctx context.Context, program string, spins bool, j job) *exec.Cmd {
	waits := "sleep"
	if spins {
		waits = "spin"
	}
	return exec.CommandContext(ctx, filepath.Join(b.programs, program), string(j.Role), waits, j.There, j.Back,
		strconv.Itoa(j.Size), strconv.Itoa(j.Warm), strconv.Itoa(j.Count))
}

// execute runs a process and returns its report and the processor time that it
// took in all.
func execute(ctx context.Context, cmd *exec.Cmd) (report, time.Duration, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return report{}, 0, fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), cmp.Or(context.Cause(ctx), err), stderr.Bytes())
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		return report{}, 0, fmt.Errorf("%s printed %q: %w", filepath.Base(cmd.Path), out, err)
	}
	return r, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}
