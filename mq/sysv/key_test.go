package sysv_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

const ftokSource = `
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>

int main(int argc, char **argv) {
	for (int i = 1; i + 1 < argc; i += 2)
		printf("%d\n", (int)ftok(argv[i], atoi(argv[i + 1])));
	return 0;
}
`

func TestFtokGivesTheKeysOfC(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		testutil.Lacking(t, "a C compiler, cc")
	}
	dir := t.TempDir()
	program, source := filepath.Join(dir, "ftok"), filepath.Join(dir, "ftok.c")
	if err := os.WriteFile(source, []byte(ftokSource), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	// Files of several devices: a disk, /proc, /dev.
	var args []string
	for _, path := range []string{program, source, link, dir, "/", "/proc", "/proc/self/status", "/dev/null", "/etc/passwd"} {
		for _, proj := range []string{"0", "1", "65", "127", "128", "255"} {
			args = append(args, path, proj)
		}
	}
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	keys := strings.Fields(string(out))
	if len(keys) != len(args)/2 {
		t.Fatalf("%d keys of %d", len(keys), len(args)/2)
	}
	for i, want := range keys {
		path, proj := args[2*i], args[2*i+1]
		if path == "/proc/self/status" {
			continue // different in each process; in the list to see C succeed
		}
		n, err := strconv.Atoi(proj)
		if err != nil {
			t.Fatal(err)
		}
		key, err := sysv.Ftok(path, byte(n))
		if got := strconv.Itoa(int(int32(key))); err != nil || got != want {
			t.Errorf("Ftok(%q, %s) = %s, %v; C: %s", path, proj, got, err, want)
		}
	}
}

func TestFtokRefusesKeysThatNameNoQueue(t *testing.T) {
	for _, test := range []struct {
		proj     byte
		dev, ino uint64
		want     sysv.Key
		ok       bool
	}{
		{0, 0, 0, 0, false},
		{0, 0x100, 0x10000, 0, false}, // bits that are not used
		{0xff, 0xff, 0xffff, 0, false},
		{0xff, 0xffffff, 0xabcdffff, 0, false},
		{1, 0, 0, 0x01000000, true},
		{0, 0, 1, 1, true},
		{0xfe, 0xff, 0xffff, 0xfeffffff, true},
		{0x41, 0x12345678, 0xabcdef01, 0x4178ef01, true},
	} {
		got, err := sysv.FtokOf("/a/file", test.proj, test.dev, test.ino)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("ftok %+v: %v, %v", test, got, err)
		}
		if err != nil && (!errors.Is(err, mq.ErrInvalidConfig) || !strings.Contains(err.Error(), "/a/file with project "+strconv.Itoa(int(test.proj)))) {
			t.Errorf("ftok %+v: %v", test, err)
		}
	}
	if _, err := sysv.Ftok(filepath.Join(t.TempDir(), "none"), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that does not exist: %v", err)
	}
}

func TestParseKeyReadsWhatProgramsWrite(t *testing.T) {
	for s, want := range map[string]sysv.Key{
		"42": 42, "0x2a": 42, "0X2A": 42, "052": 42, "+42": 42, "-42": 0xffffffd6, "-0x2a": 0xffffffd6,
		"0xAB": 0xab, "0x0b": 0x0b, "0xb": 0xb, "4294967295": 0xffffffff, "-1": 0xffffffff,
		"-2147483648": 0x80000000, "2147483648": 0x80000000, "0xffffffff": 0xffffffff, "1": 1,
	} {
		if got, err := sysv.ParseKey(s); err != nil || got != want {
			t.Errorf("ParseKey(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "0x0", "-0", "00", "4294967296", "0x100000000", "-2147483649", "-4294967295",
		"four", "0x", "4 2", " 42", "42 ", "1_000", "0x_2a", "0b101", "0B101", "-0b1", "0o52", "0O52", "08", "1e3", "4.0", "--1", "99999999999999999999"} {
		if got, err := sysv.ParseKey(s); got != 0 || !errors.Is(err, mq.ErrInvalidConfig) || !strings.Contains(fmt.Sprint(err), strconv.Quote(s)) {
			t.Errorf("ParseKey(%q) = %v, %v", s, got, err)
		}
	}
}

func TestKeyPrintsAsIpcsDoes(t *testing.T) {
	for k, want := range map[sysv.Key]string{sysv.Private: "private", 42: "0x0000002a", 0xfffffffe: "0xfffffffe"} {
		if got := k.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if k == sysv.Private {
			continue
		}
		if again, err := sysv.ParseKey(want); again != k || err != nil {
			t.Errorf("%q reads as %v, %v", want, again, err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"42", "-1", "0x2a", "052", "0b1", "1_0", "4294967295"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := sysv.ParseKey(s)
		if (k == sysv.Private) != (err != nil) {
			t.Fatalf("%v, %v", k, err)
		}
		if err != nil {
			return
		}
		for _, form := range []string{k.String(), fmt.Sprint(uint32(k)), fmt.Sprint(int32(k)), fmt.Sprintf("0%o", uint32(k))} {
			if again, err := sysv.ParseKey(form); again != k || err != nil {
				t.Errorf("%q is %v, and %q is %v, %v", s, k, form, again, err)
			}
		}
	})
}
