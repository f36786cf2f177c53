package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Results are all that one run of the command measured.
type results struct {
	Machine machine
	Rows    []result
	Trials  []tried
	Figures []figures
	Growth  []growth
}

// A machine describes where and how the figures were measured.
type machine struct {
	Date       string
	CPU        string
	Processors int
	Kernel     string
	Go         string
	C          string
	Rounds     int
	Took       string // all of it
}

func (m machine) String() string {
	return fmt.Sprintf("%s: %d processors (%s), Linux %s, %s, %s; medians of %d rounds; %s in all.",
		m.Date, m.Processors, m.CPU, m.Kernel, m.Go, m.C, m.Rounds, m.Took)
}

func thisMachine(ctx context.Context, rounds int) machine {
	kernel, _, _ := strings.Cut(readLine("/proc/sys/kernel/osrelease"), "-")
	return machine{
		Date: time.Now().UTC().Format(time.DateOnly), CPU: cpuModel(), Processors: runtime.NumCPU(),
		Kernel: kernel, Go: runtime.Version(), C: compilerVersion(ctx), Rounds: rounds,
	}
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// readLine returns the first line of a file, or "unknown".
func readLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// compilerVersion returns the version of the C compiler.
func compilerVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, compiler(), "--version").Output()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// The summary in README.md stands between these lines.
const (
	summaryBegin = "<!-- last run -->\n"
	summaryEnd   = "<!-- end of the last run -->\n"
)

// write stores the results in dir/results: latest.json, README.md with all tables,
// and the pictures. dir/README.md gets a summary.
func (all results) write(dir string) error {
	into := filepath.Join(dir, "results")
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	figures, err := all.json()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(into, "latest.json"), figures, 0o644); err != nil {
		return err
	}
	var tables bytes.Buffer
	fmt.Fprintf(&tables, "# All rows of the last run\n\nWhat they mean: [the page above](../README.md).\n\n")
	writeTables(&tables, all)
	if err := os.WriteFile(filepath.Join(into, "README.md"), tables.Bytes(), 0o644); err != nil {
		return err
	}
	if err := writePictures(into, all.Growth); err != nil {
		return err
	}
	readme := filepath.Join(dir, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(summaryBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(summaryEnd))
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the lines %q and %q", readme, summaryBegin, summaryEnd)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(summaryBegin + "\n")
	writeSummary(&out, all)
	out.WriteString("\n" + summaryEnd)
	out.Write(after)
	return os.WriteFile(readme, out.Bytes(), 0o644)
}

// json writes a line for each row, so that two runs can be compared line by line.
func (all results) json() ([]byte, error) {
	m, err := json.Marshal(all.Machine)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "{\n\"Machine\": %s", m)
	err = errors.Join(
		writeLines(&out, "Rows", all.Rows), writeLines(&out, "Trials", all.Trials),
		writeLines(&out, "Figures", all.Figures), writeLines(&out, "Growth", all.Growth),
	)
	out.WriteString("\n}\n")
	return out.Bytes(), err
}

// writeLines writes a field that is an array, with a line for each element.
func writeLines[T any](out *bytes.Buffer, field string, rows []T) error {
	fmt.Fprintf(out, ",\n%q: [", field)
	for i, r := range rows {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
		out.Write(b)
	}
	out.WriteString("\n]")
	return nil
}

// MarshalJSON writes four digits: what follows them changes with each run.
func (s spread) MarshalJSON() ([]byte, error) {
	type plain spread
	return json.Marshal(plain{rounded(s.Median), rounded(s.Min), rounded(s.Max)})
}

// MarshalJSON writes four digits of each figure.
func (r result) MarshalJSON() ([]byte, error) {
	type plain result
	for _, v := range []*float64{&r.C, &r.NS, &r.Allocs, &r.CPUC, &r.CPU} {
		*v = rounded(*v)
	}
	return json.Marshal(plain(r))
}

// rounded keeps four significant digits.
func rounded(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return v // not a number
	}
	return short
}
