package export_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"ipcmq/cmd/internal/export"
)

// The alerts use existing metrics. promtool tests the rest.
func TestAlertsUseExistingMetrics(t *testing.T) {
	descriptions := make(chan *prometheus.Desc, 100)
	export.New(export.Config{}).Describe(descriptions)
	close(descriptions)
	known := map[string]bool{}
	for d := range descriptions {
		_, rest, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		known[name] = true
	}
	for _, file := range []string{"ipcmq.rules.yml", "ipcmq.rules.test.yml"} {
		b, err := os.ReadFile("../../../examples/prometheus/" + file)
		if err != nil {
			t.Fatal(err)
		}
		asked := regexp.MustCompile(`ipcmq_[a-z_]+`).FindAllString(string(b), -1)
		if len(asked) < 10 {
			t.Errorf("%s asks for %d metrics", file, len(asked))
		}
		for _, name := range asked {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
}
