package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
)

// A build is this program with a build tag, or the error of building it.
type build struct {
	exe string
	err error
}

// tagged returns this program with a build tag. It is built only once, in the
// directory of this module.
func (b *bench) tagged(ctx context.Context, tag string) (string, error) {
	one, ok := b.builds[tag]
	if !ok {
		one.exe = filepath.Join(b.programs, tag)
		one.err = run(exec.CommandContext(ctx, "go", "build", "-tags", tag, "-o", one.exe, "."))
		if b.builds == nil {
			b.builds = map[string]build{}
		}
		b.builds[tag] = one
	}
	return one.exe, one.err
}

// tool returns the path of a tool of this module, and builds it if necessary.
func tool(ctx context.Context, name string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "-n", name)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", &processError{"go tool " + name, err, stderr.String()}
	}
	return strings.TrimSpace(string(out)), nil
}

func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return &processError{filepath.Base(cmd.Path), err, string(out)}
	}
	return nil
}
