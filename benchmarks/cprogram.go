package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed c
var sources embed.FS

// buildC compiles the C programs into dir: for each kind of queue one with its name, and
// one for the curves.
func buildC(ctx context.Context, dir string) error {
	cc := compiler()
	if _, err := exec.LookPath(cc); err != nil {
		return fmt.Errorf("the benchmarks compare with C programs and need a C compiler (install gcc, or set CC): %w", err)
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return err
	}
	src := filepath.Join(dir, "c")
	for _, queue := range []string{"sysv", "posix"} {
		for program, main := range map[string]string{queue: "bench.c", growthProgram(queue): "growth.c"} {
			cmd := exec.CommandContext(ctx, cc, "-O2", "-pthread", "-o", filepath.Join(dir, program),
				filepath.Join(src, main), filepath.Join(src, queue+".c"), "-lrt")
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%v: %w\n%s", cmd, err, out)
			}
		}
	}
	return nil
}

// growthProgram is the name of the program for the curves on a kind of queue.
func growthProgram(queue string) string { return queue + "-growth" }

func compiler() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	return "cc"
}
