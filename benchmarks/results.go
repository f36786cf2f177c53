package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// A machine is where and how the figures were measured.
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

// compilerVersion returns what the C compiler says about itself.
func compilerVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, compiler(), "--version").Output()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// The tables of README.md stand between these lines.
const (
	tablesBegin = "<!-- tables -->\n"
	tablesEnd   = "<!-- end of tables -->\n"
)

// write stores the results in dir/results/latest.json, their pictures beside it
// and their tables in dir/README.md.
func (all results) write(dir string) error {
	b, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "results"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "results", "latest.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	if err := writePictures(filepath.Join(dir, "results"), all.Growth); err != nil {
		return err
	}
	readme := filepath.Join(dir, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(tablesBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(tablesEnd))
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the lines %q and %q", readme, tablesBegin, tablesEnd)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(tablesBegin + "\n")
	writeTables(&out, all)
	out.WriteString("\n" + tablesEnd)
	out.Write(after)
	return os.WriteFile(readme, out.Bytes(), 0o644)
}
