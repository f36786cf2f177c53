package limits_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ipcmq/internal/limits"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var value = regexp.MustCompile(`^sysctl -w [a-z_.]+=([0-9]+)$`)

func TestNoAdviceIsAboveTheCeiling(t *testing.T) {
	for _, l := range limits.All() {
		for _, n := range []int64{0, 1, 3, 8193, 40000, 65535, 65536, 65537, 10 << 20, 16 << 20, 16<<20 + 1,
			1<<30 + 1, math.MaxInt32 - 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64} {
			for name, advice := range map[string]string{"Set": l.Set(n), "SetAtLeast": l.SetAtLeast(n)} {
				match := value.FindStringSubmatch(advice)
				if n > l.Ceiling {
					if match != nil || !strings.Contains(advice, strconv.FormatInt(l.Ceiling, 10)) {
						t.Errorf("%s.%s(%d): %q does not name the ceiling", l.Name, name, n, advice)
					}
					continue
				}
				if match == nil {
					t.Errorf("%s.%s(%d): %q is no command", l.Name, name, n, advice)
					continue
				}
				if v, err := strconv.ParseInt(match[1], 10, 64); err != nil || v < n || v > l.Ceiling {
					t.Errorf("%s.%s(%d): %q", l.Name, name, n, advice)
				}
			}
			if n <= l.Ceiling/2+1 && n > 0 {
				if match := value.FindStringSubmatch(l.Double(n)); match == nil {
					t.Errorf("%s.Double(%d): %q", l.Name, n, l.Double(n))
				}
			}
		}
		for _, now := range []int64{math.MinInt64, -1, 0} {
			if match := value.FindStringSubmatch(l.Double(now)); match == nil || match[1] != "1" {
				t.Errorf("%s.Double(%d): %q", l.Name, now, l.Double(now))
			}
		}
		if advice := l.Double(l.Ceiling); value.MatchString(advice) {
			t.Errorf("%s.Double(%d): %q", l.Name, l.Ceiling, advice)
		}
	}
}

func TestAnExtendedLimitIsDoubledFurther(t *testing.T) {
	for now, want := range map[int64]string{
		32767:    "sysctl -w kernel.msgmni=32768",
		32768:    "kernel.msgmni is at the kernel's own limit, 32768",
		32769:    "sysctl -w kernel.msgmni=65538",
		16777215: "sysctl -w kernel.msgmni=16777216",
		16777216: "kernel.msgmni is at the kernel's own limit, 16777216",
	} {
		if got := limits.MsgMni.Double(now); got != want {
			t.Errorf("%d: %q", now, got)
		}
	}
}

func TestTheLimitOfAUserIsDoubled(t *testing.T) {
	for _, test := range []struct {
		soft, hard int64
		want       string
	}{
		{819200, 819200, "sudo prlimit --pid $$ --msgqueue=1638400"},
		{819200, 1638399, "sudo prlimit --pid $$ --msgqueue=1638400"},
		{819200, 1638400, "prlimit --pid $$ --msgqueue=1638400:"},
		{819200, -1, "prlimit --pid $$ --msgqueue=1638400:"},
		{0, 0, "sudo prlimit --pid $$ --msgqueue=819200"},
		{0, -1, "prlimit --pid $$ --msgqueue=819200:"},
		{math.MaxInt64 / 2, math.MaxInt64, "prlimit --pid $$ --msgqueue=9223372036854775806:"},
		{math.MaxInt64/2 + 1, -1, "prlimit --pid $$ --msgqueue=unlimited:"},
		{math.MaxInt64, math.MaxInt64, "sudo prlimit --pid $$ --msgqueue=unlimited"},
		{-1, -1, "RLIMIT_MSGQUEUE is unlimited"},
	} {
		if got := limits.DoubleMsgqueue(test.soft, test.hard); got != test.want {
			t.Errorf("%d, %d: %q", test.soft, test.hard, got)
		}
	}
}

// The names are those of files in /proc/sys.
func TestLimitsExist(t *testing.T) {
	if _, err := os.Stat("/proc/sys/kernel/msgmax"); err != nil {
		t.Log("this system has no System V queues:", err)
		return
	}
	for _, l := range limits.All() {
		if _, err := os.Stat(filepath.Join("/proc/sys", strings.ReplaceAll(l.Name, ".", "/"))); err != nil {
			t.Error(err)
		}
	}
}
