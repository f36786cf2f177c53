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

// buildC compiles one C program for each kind of queue into dir, with its name.
func buildC(ctx context.Context, dir string) error {
	cc := compiler()
	if _, err := exec.LookPath(cc); err != nil {
		return fmt.Errorf("the benchmarks compare with C programs and need a C compiler (install gcc, or set CC): %w", err)
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return err
	}
	src := filepath.Join(dir, "c")
	for _, program := range []string{"sysv", "posix"} {
		cmd := exec.CommandContext(ctx, cc, "-O2", "-o", filepath.Join(dir, program),
			filepath.Join(src, "bench.c"), filepath.Join(src, program+".c"), "-lrt")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
	}
	return nil
}

func compiler() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	return "cc"
}
