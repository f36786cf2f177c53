package cli

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// initialNamespace is the first IPC namespace of a system
// (PROC_IPC_INIT_INO in the kernel's proc_ns.h).
const initialNamespace = "ipc:[4026531839]"

// systemdDirs are the directories that systemd reads, the most important first.
var systemdDirs = []string{"etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd"}

// removeIPC returns whether RemoveIPC of logind.conf(5) is on, and which file sets it.
// If no file does, a comment in the main file documents the default.
func removeIPC(root fs.FS) (on bool, where string) {
	on, where = true, "by default"
	var files []string
	for _, dir := range systemdDirs {
		if _, err := fs.Stat(root, dir+"/logind.conf"); err == nil {
			files = append(files, dir+"/logind.conf")
			break
		}
	}
	// Of files with the same name only the first directory's counts. They are read in
	// the order of their names.
	byName := map[string]string{}
	for _, dir := range systemdDirs {
		found, _ := fs.Glob(root, dir+"/logind.conf.d/*.conf") // the pattern is valid
		for _, f := range found {
			if byName[path.Base(f)] == "" {
				byName[path.Base(f)] = f
			}
		}
	}
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		files = append(files, byName[name])
	}
	said := false
	for _, f := range files {
		b, err := fs.ReadFile(root, f)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			text, comment := strings.CutPrefix(line, "#")
			key, value, _ := strings.Cut(strings.TrimSpace(text), "=")
			if strings.TrimSpace(key) != "RemoveIPC" || comment && said {
				continue
			}
			switch strings.ToLower(strings.TrimSpace(value)) {
			case "no", "false", "off", "0", "n", "f":
				on = false
			default:
				on = true
			}
			said = said || !comment
			where = "/" + f
			if comment {
				where = "by default, /" + f
			}
		}
	}
	return on, where
}
