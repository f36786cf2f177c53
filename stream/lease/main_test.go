package lease_test

import (
	"fmt"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"worker": worker}) }

// send sends the numbers in [from, to), as type t.
func send(tb testing.TB, q mq.Sender, t int64, from, to int) {
	tb.Helper()
	for i := from; i < to; i++ {
		if err := q.Send(tb.Context(), mq.Message{Type: t, Data: fmt.Append(nil, i)}); err != nil {
			tb.Error(err) // not Fatal, for goroutines
			return
		}
	}
}
