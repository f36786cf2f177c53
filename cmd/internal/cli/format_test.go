package cli_test

import (
	"testing"
	"time"

	"ipcmq/cmd/internal/cli"
)

func TestAmountsAndAges(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -12: "-12"} {
		if got := cli.Amount(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	now := time.Unix(1e9, 0)
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Hour: "0s", 59 * time.Second: "59s", time.Minute: "1m", time.Hour: "1h", 47 * time.Hour: "47h", 48 * time.Hour: "2d",
	} {
		if got := cli.Age(now, now.Add(-d)); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
	if got := cli.Age(now, time.Time{}); got != "-" {
		t.Errorf("never: %q", got)
	}
}
