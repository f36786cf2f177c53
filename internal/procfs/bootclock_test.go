package procfs_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"ipcmq/internal/procfs"
)

const bootID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\n"

// clockProc is what a process sees whose time namespace has an offset.
func clockProc(change func(fstest.MapFS)) fstest.MapFS {
	link := func(to string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
	}
	m := fstest.MapFS{
		"sys/kernel/random/boot_id": {Data: []byte(bootID)},
		"self/timens_offsets":       {Data: []byte("monotonic           0         0\nboottime         3600         5\n")},
		"self/ns/time":              link("time:[4026532001]"),
		"self/ns/time_for_children": link("time:[4026532001]"),
	}
	change(m)
	return m
}

func TestTheBootClockIsThatOfTheSystem(t *testing.T) {
	set := func(name, text string) func(fstest.MapFS) {
		return func(m fstest.MapFS) { m[name].Data = []byte(text) }
	}
	for name, c := range map[string]struct {
		change func(fstest.MapFS)
		offset time.Duration
		fails  bool
	}{
		"shifted":                       {change: asItIs, offset: time.Hour + 5},
		"back":                          {change: set("self/timens_offsets", "boottime -3600 5\n"), offset: 5 - time.Hour},
		"no time namespaces":            {change: func(m fstest.MapFS) { delete(m, "self/timens_offsets") }},
		"no boot id":                    {change: func(m fstest.MapFS) { delete(m, "sys/kernel/random/boot_id") }, fails: true},
		"a short boot id":               {change: set("sys/kernel/random/boot_id", "0a1b2c3d"), fails: true},
		"a long boot id":                {change: set("sys/kernel/random/boot_id", "00"+bootID), fails: true},
		"an odd boot id":                {change: set("sys/kernel/random/boot_id", "x"+bootID[1:]), fails: true},
		"another one for children":      {change: set("self/ns/time_for_children", "time:[4026532002]"), fails: true},
		"no namespace of this process":  {change: func(m fstest.MapFS) { delete(m, "self/ns/time") }, fails: true},
		"no offset":                     {change: set("self/timens_offsets", "monotonic 0 0\n"), fails: true},
		"no number":                     {change: set("self/timens_offsets", "boottime x 0\n"), fails: true},
		"too much":                      {change: set("self/timens_offsets", "boottime 9223372036854775807 0\n"), fails: true},
		"more nanoseconds than it has":  {change: set("self/timens_offsets", "boottime 0 1000000000\n"), fails: true},
		"an offset that cannot be read": {change: func(m fstest.MapFS) { m["self/timens_offsets"] = &fstest.MapFile{Mode: fs.ModeDir} }, fails: true},
	} {
		clock, err := procfs.NewBootClock(clockProc(c.change))
		if (err != nil) != c.fails || clock.Offset() != c.offset {
			t.Errorf("%s: offset %v, %v", name, clock.Offset(), err)
		}
		if !c.fails && (clock.ID[0] != 0x0a || clock.ID[15] != 0xf9) {
			t.Errorf("%s: id %x", name, clock.ID)
		}
	}
}

func TestTheBootClockGoesOn(t *testing.T) {
	id, before, err := procfs.BootTime()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrNotExist) {
		t.Skipf("this system does not report it: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	again, after, err := procfs.BootTime()
	if err != nil || again != id || id == [16]byte{} || after < before || after-before > time.Minute || before <= 0 {
		t.Errorf("%x, %v, then %x, %v, %v", id, before, again, after, err)
	}
}

func FuzzBootOffset(f *testing.F) {
	f.Add([]byte("monotonic           0         0\nboottime         3600         5\n"))
	f.Add([]byte("boottime -9223372036 999999999"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := procfs.BootOffset(b); err != nil && d != 0 {
			t.Errorf("%q: %v, %v", b, d, err)
		}
	})
}
