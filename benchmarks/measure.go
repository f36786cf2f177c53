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

// limit is how long a run may take before it counts as hanging.
const limit = 2 * time.Minute

// A bench runs the processes of the benchmarks.
type bench struct {
	exe      string // this program
	programs string // directory of the C programs
	rounds   int
	quick    bool   // a few messages, to check that everything works
	profiles string // directory for CPU profiles of the timed Go processes, or empty

	peerLimit time.Duration // for peers and alternatives, which may hang; 0 means a quarter of limit

	builds  map[string]build // by build tag
	servers map[string]*server
}

// A spread is the median of some figures, with the minimum and the maximum.
type spread struct{ Median, Min, Max float64 }

// A result is the measurement of a contender: medians of all rounds.
type result struct {
	Name  string
	Group string
	Title string
	Shape string
	Layer string // the contender
	Kind  kind
	Size  int    // bytes
	Count int    // timed messages or round trips, each time
	Than  string `json:",omitempty"` // the alternative that C stands for, empty for C

	Speed  spread  // time of C / its time, of each round
	C      float64 // nanoseconds for a message or round trip
	NS     float64
	Allocs float64 // for a message or round trip, all Go processes together
	CPUC   float64 // seconds per million messages or round trips, all processes together
	CPU    float64

	// Ahead, for a peer or an alternative, is its time / that of our layer, for
	// each round: above 1, ours is faster.
	Ahead map[string]spread `json:",omitempty"`

	// Failed is the reason why a peer or an alternative has no figures.
	Failed string `json:",omitempty"`
}

// measure does all of p, and reports its progress on standard error.
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
	defer b.stopServers()
	began := time.Now()
	all := results{Machine: thisMachine(ctx, b.rounds)}
	for i, c := range p.contests {
		fmt.Fprintf(os.Stderr, "%d/%d %s/%s/%d, %d contenders\n", i+1, len(p.contests), c.group, c.shape.name, c.size, len(c.contenders)+1)
		rows, err := b.contest(ctx, c)
		if err != nil {
			return results{}, err
		}
		all.Rows = append(all.Rows, rows...)
	}
	for _, t := range p.trials {
		all.Trials = append(all.Trials, b.try(ctx, t))
	}
	for _, backend := range p.figures {
		fmt.Fprintln(os.Stderr, figuresName(backend))
		f, err := b.figures(ctx, backend)
		if err != nil {
			return results{}, fmt.Errorf("%s: %w", figuresName(backend), err)
		}
		all.Figures = append(all.Figures, f)
	}
	all.Growth, err = b.growAll(ctx, p.curves)
	all.Machine.Took = time.Since(began).Round(time.Second).String()
	return all, err
}

// contest measures C and all contenders in turn, in each round. Contenders other than
// ours that fail are not tried again.
func (b *bench) contest(ctx context.Context, c contest) ([]result, error) {
	var theirs []sample // C
	samples := make([][]sample, len(c.contenders))
	failed := make([]string, len(c.contenders))
	stop, err := b.keepBusy(ctx, c.shape.beside)
	if err != nil {
		return nil, err
	}
	defer stop()
	for range b.rounds {
		first, side := contender{name: sendOnly}, c.shape.c
		if c.shape.than != "" {
			first, _ = c.backend.contenderNamed(c.shape.than)
			side = c.shape.ours
		}
		inC, err := b.run(ctx, c, first, side)
		if err != nil {
			return nil, fmt.Errorf("%s/%s/%d: %s: %w", c.group, c.shape.name, c.size, cmp.Or(c.shape.than, "in C"), err)
		}
		theirs = append(theirs, inC)
		for i, of := range c.contenders {
			if failed[i] != "" {
				continue
			}
			s, err := b.run(ctx, c, of, c.shape.ours)
			switch {
			case err != nil && (of.kind == ours || ctx.Err() != nil):
				return nil, fmt.Errorf("%s: %w", c.name(of), err)
			case err != nil:
				failed[i], samples[i] = reason(err), nil
				fmt.Fprintf(os.Stderr, "%s: %s\n", c.name(of), failed[i])
			default:
				samples[i] = append(samples[i], s)
			}
		}
	}
	var rows []result
	for i, of := range c.contenders {
		r := result{
			Name: c.name(of), Group: c.group, Title: c.title, Shape: c.shape.title, Layer: of.name, Kind: of.kind, Size: c.size,
			Count: b.count(c.shape, c.size), Than: c.shape.than, C: medianOf(theirs, sample.time), CPUC: medianOf(theirs, sample.processor), Failed: failed[i],
		}
		if failed[i] == "" {
			r.Speed, r.NS = ratios(theirs, samples[i]), medianOf(samples[i], sample.time)
			r.Allocs, r.CPU = medianOf(samples[i], sample.allocations), medianOf(samples[i], sample.processor)
			for k, o := range c.contenders {
				if of.kind != ours && o.kind == ours && slices.Contains(c.shape.against, o.name) {
					if r.Ahead == nil {
						r.Ahead = map[string]spread{}
					}
					r.Ahead[o.name] = ratios(samples[i], samples[k])
				}
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// A sample is the result of one run of one side, in the units of a result.
type sample struct{ ns, allocs, cpu float64 }

func (s sample) time() float64        { return s.ns }
func (s sample) allocations() float64 { return s.allocs }
func (s sample) processor() float64   { return s.cpu }

func medianOf(samples []sample, of func(sample) float64) float64 {
	var v []float64
	for _, s := range samples {
		v = append(v, of(s))
	}
	return median(v)
}

// ratios returns the times of a divided by those of b, for each round.
func ratios(a, b []sample) spread {
	var v []float64
	for i := range a {
		v = append(v, a[i].ns/b[i].ns)
	}
	return spreadOf(v)
}

func median(v []float64) float64 { return spreadOf(v).Median }

func spreadOf(v []float64) spread {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}

// count returns the number of timed messages of a shape.
func (b *bench) count(s shape, size int) int {
	switch {
	case b.quick && s.large:
		return 4
	case b.quick:
		return 64
	case s.large:
		return 512 << 20 / size
	}
	return s.count
}

// run does the work of a contest once.
func (b *bench) run(ctx context.Context, c contest, of contender, s side) (_ sample, err error) {
	j := job{Backend: c.backend.name, Layer: of.name, Size: c.size, Count: b.count(c.shape, c.size), Callers: c.shape.callers}
	j.Warm = max(j.Count/10, 1)
	if of.tag != "" { // it may have to be built, which takes a while
		if _, err := b.tagged(ctx, of.tag); err != nil {
			return sample{}, err
		}
	}
	limit := limit
	if of.kind == peer || of.kind == alternative {
		limit = cmp.Or(b.peerLimit, limit/4)
	}
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
	defer stop()
	m, err := b.meet(ctx, c.backend, of, &j, len(s) > 1)
	defer func() { err = errors.Join(err, m.remove()) }()
	if err != nil {
		return sample{}, err
	}

	server := m.server.processorTime()
	group, ctx := errgroup.WithContext(ctx)
	reports := make([]report, len(s))
	for i, p := range s {
		j := j
		j.Role, j.Pause = p.role, p.pause
		if b.profiles != "" && i == 0 {
			j.Profile = filepath.Join(b.profiles, strings.ReplaceAll(c.name(of), "/", "-")+".prof")
		}
		cmd, err := b.goCommand(ctx, j, of.tag)
		if p.inC {
			cmd, err = b.cCommand(ctx, c.backend.program, p.spins, j), nil
		}
		if err != nil {
			return sample{}, err
		}
		cmd.ExtraFiles = m.files
		group.Go(func() (err error) {
			reports[i], _, err = execute(ctx, cmd)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return sample{}, err
	}
	total := sample{ns: float64(reports[0].NS) / float64(j.Count)}
	for i := range s {
		total.allocs += float64(reports[i].Mallocs) / float64(j.Count)
		if s[i].pause == 0 {
			total.cpu += float64(reports[i].CPU) / 1e3 / float64(j.Count)
		}
	}
	total.cpu += (m.server.processorTime() - server).Seconds() / float64(j.Warm+j.Count) * 1e6
	return total, nil
}

// goCommand returns the command that does j in Go, in this program or one with
// a build tag.
func (b *bench) goCommand(ctx context.Context, j job, tag string) (*exec.Cmd, error) {
	arg, err := json.Marshal(j)
	if err != nil {
		panic(err) // a job holds strings and numbers
	}
	exe := b.exe
	if tag != "" {
		if exe, err = b.tagged(ctx, tag); err != nil {
			return nil, err
		}
	}
	return exec.CommandContext(ctx, exe, childArg, string(arg)), nil
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

// execute runs a process and returns its report and its total processor time.
func execute(ctx context.Context, cmd *exec.Cmd) (report, time.Duration, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return report{}, 0, &processError{filepath.Base(cmd.Path), cmp.Or(context.Cause(ctx), err), stderr.String()}
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		return report{}, 0, fmt.Errorf("%s printed %q: %w", filepath.Base(cmd.Path), out, err)
	}
	return r, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// A processError is the failure of a process of a benchmark.
type processError struct {
	program string
	err     error
	stderr  string
}

func (e *processError) Error() string { return fmt.Sprintf("%s: %v\n%s", e.program, e.err, e.stderr) }
func (e *processError) Unwrap() error { return e.err }

// reason returns the first line that explains why something failed.
func reason(err error) string {
	text := err.Error()
	if failed := (*processError)(nil); errors.As(err, &failed) {
		text = cmp.Or(strings.TrimPrefix(strings.TrimSpace(failed.stderr), "benchmarks: "), failed.err.Error())
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") { // go build begins with # and the package
			return line
		}
	}
	return text
}
