package cli_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ipcmq/cmd/internal/cli"
	"ipcmq/internal/limits"
	"ipcmq/internal/testutil"
	"ipcmq/mq/sysv"
)

func sysctlFile(name string) string { return "/proc/sys/" + strings.ReplaceAll(name, ".", "/") }

// setLimit sets a limit of this namespace until the test ends.
func setLimit(t *testing.T, name string, value int64) {
	t.Helper()
	before, err := os.ReadFile(sysctlFile(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := writeLimit(name, strconv.FormatInt(value, 10)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := writeLimit(name, strings.TrimSpace(string(before))); err != nil {
			t.Error(err)
		}
	})
}

func writeLimit(name, value string) error {
	return os.WriteFile(sysctlFile(name), []byte(value), 0o644)
}

var (
	setsLimit = regexp.MustCompile(`sysctl -w ([a-z_.]+)=(\S*)`)
	atCeiling = regexp.MustCompile(`([a-z_.]+) is at the kernel's own limit, (\d+)`)
)

// tryRemedies follows the advice in the text, and returns how many remedies there were.
func tryRemedies(t *testing.T, text string) (advised int) {
	t.Helper()
	for _, m := range setsLimit.FindAllStringSubmatch(text, -1) {
		name, value := m[1], strings.TrimSuffix(m[2], ",")
		before, err := os.ReadFile(sysctlFile(name))
		if err != nil {
			t.Error(err)
			continue
		}
		err = writeLimit(name, value)
		now, _ := os.ReadFile(sysctlFile(name))
		if err != nil || strings.TrimSpace(string(now)) != value {
			t.Errorf("sysctl -w %s=%s: %v, and the value is %s", name, value, err, now)
		}
		writeLimit(name, strings.TrimSpace(string(before)))
		advised++
	}
	for _, m := range atCeiling.FindAllStringSubmatch(text, -1) {
		value, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			t.Error(err)
			continue
		}
		if m[1] != limits.MsgMni.Name { // may be higher with ipcmni_extend
			if err := writeLimit(m[1], strconv.FormatInt(value+1, 10)); err == nil {
				t.Errorf("%s can be more than %d", m[1], value)
				writeLimit(m[1], m[2])
			}
		}
		advised++
	}
	return advised
}

// Whatever the limits are, the kernel accepts the advice of limits and doctor.
func TestRemediesWork(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedMqueue(t)
	testutil.NeedRoot(t)
	for _, test := range []struct {
		name  string
		value func(limits.Limit) int64
	}{
		{"low", func(limits.Limit) int64 { return 128 }}, // the minimum of fs.mqueue.msgsize_max
		{"half of the ceiling", func(l limits.Limit) int64 { return l.Ceiling / 2 }},
		{"more than half", func(l limits.Limit) int64 { return l.Ceiling/2 + 1 }},
		{"below the ceiling", func(l limits.Limit) int64 { return l.Ceiling - 1 }},
		{"the ceiling", func(l limits.Limit) int64 { return l.Ceiling }},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, l := range limits.All() {
				setLimit(t, l.Name, test.value(l))
			}
			shown := shownBy(t, "limits")
			if n := tryRemedies(t, shown); n != len(limits.All()) {
				t.Errorf("%d remedies for %d limits: %s", n, len(limits.All()), shown)
			}
			tryRemedies(t, shownBy(t, "doctor"))
		})
	}

	t.Run("messages larger than queues", func(t *testing.T) {
		for _, value := range []int64{20_000, 1 << 30, limits.MsgMax.Ceiling} {
			setLimit(t, limits.MsgMax.Name, value)
			if shown := shownBy(t, "doctor"); tryRemedies(t, shown) != 1 {
				t.Errorf("kernel.msgmax = %d: %s", value, shown)
			}
		}
	})
	t.Run("no queues", func(t *testing.T) {
		setLimit(t, limits.MqQueuesMax.Name, 0)
		setLimit(t, limits.MsgMni.Name, 0)
		shown := shownBy(t, "doctor")
		if tryRemedies(t, shown) != 2 || !strings.Contains(shown, "-> sysctl -w fs.mqueue.queues_max=1, or ipcmq rm") {
			t.Error(shown)
		}
	})
}

func TestDoctorAdvisesPossibleCapacities(t *testing.T) {
	usual := sysv.Limits{MaxMessage: 8192, DefaultCapacity: 16384}
	for _, test := range []struct {
		capacity     int64
		limits       sysv.Limits
		text, remedy string
	}{
		{16384, usual, "", ""},
		{8192, usual, "", ""},
		{8191, usual, "WRONG 0x0000002a has a capacity of 8191 bytes", "ipcmq set 0x0000002a --capacity 16384"},
		{16385, usual, "note 0x0000002a has a capacity of 16385 bytes, above kernel.msgmnb = 16384",
			"sysctl -w kernel.msgmnb=16385, if its owner must be able to change it or create it again"},
		{1<<31 - 1, usual, "note ", "sysctl -w kernel.msgmnb=2147483647, if its owner must be able to change it or create it again"},
		{1 << 31, usual, "note 0x0000002a has a capacity of 2147483648 bytes, above kernel.msgmnb = 16384",
			"ipcmq set 0x0000002a --capacity 16384, if its owner must be able to change it: the kernel allows no more than kernel.msgmnb = 2147483647"},
		{1 << 31, sysv.Limits{MaxMessage: 1<<31 - 1, DefaultCapacity: 1<<31 - 1}, "note ", "ipcmq set 0x0000002a --capacity 2147483647, if"},
	} {
		text, remedy := cli.CheckCapacity(test.capacity, test.limits)
		if !strings.HasPrefix(text, test.text) || !strings.HasPrefix(remedy, test.remedy) || (text == "") != (test.text == "") {
			t.Errorf("%d of %+v: %q -> %q", test.capacity, test.limits, text, remedy)
		}
	}
}
