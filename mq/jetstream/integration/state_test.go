package integration_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// logState logs what a server says about a stream, its first message and its
// consumers, when a test has found something missing.
func logState(t *testing.T, url, stream string) {
	t.Helper()
	nc, err := nats.Connect(url, nats.Timeout(time.Second))
	if err != nil {
		t.Logf("the state of %s: %v", stream, err)
		return
	}
	defer nc.Close()
	ask := func(subject, request string) []byte {
		m, err := nc.Request("$JS.API."+subject, []byte(request), 2*time.Second)
		if err != nil {
			t.Logf("%s: %v", subject, err)
			return nil
		}
		t.Logf("%s: %s", subject, m.Data)
		return m.Data
	}
	ask("STREAM.INFO."+stream, `{"subjects_filter": ">"}`)
	ask("STREAM.MSG.GET."+stream, `{"seq": 1, "next_by_subj": ">"}`)
	var names struct {
		Consumers []string `json:"consumers"`
	}
	if err := json.Unmarshal(ask("CONSUMER.NAMES."+stream, ""), &names); err != nil {
		t.Log(err)
	}
	for _, name := range names.Consumers {
		ask(fmt.Sprintf("CONSUMER.INFO.%s.%s", stream, name), "")
	}
}

// logStacks logs the goroutines that are in one of the functions.
func logStacks(t *testing.T, functions ...string) {
	t.Helper()
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		if slices.ContainsFunc(functions, func(f string) bool { return strings.Contains(stack, f) }) {
			t.Log(stack)
		}
	}
}
