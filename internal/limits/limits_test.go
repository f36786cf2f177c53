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
		if advice := l.Double(l.Ceiling); value.MatchString(advice) {
			t.Errorf("%s.Double(%d): %q", l.Name, l.Ceiling, advice)
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
