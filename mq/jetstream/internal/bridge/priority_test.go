package bridge

import (
	"testing"

	"ipcmq/mq"
)

func TestPrioritiesComeBackAsTheyWere(t *testing.T) {
	last := int64(topType + 1)
	for p := range uint32(topType) {
		there, err := typed(mq.Message{Priority: p, Data: []byte("x")})
		if err != nil || there.Priority != 0 || there.Type >= last || there.Type < 1 {
			t.Fatalf("priority %d is %+v, %v, after type %d", p, there, err, last)
		}
		last = there.Type
		back, err := prioritized(there)
		if err != nil || back.Priority != p || back.Type != 0 || string(back.Data) != "x" {
			t.Fatalf("priority %d comes back as %+v, %v", p, back, err)
		}
	}
	if _, err := typed(mq.Message{Priority: topType}); err == nil {
		t.Error("a priority that no type stands for")
	}
	for _, typ := range []int64{-1, 0, topType + 1} {
		if _, err := prioritized(mq.Message{Type: typ}); err == nil {
			t.Errorf("type %d is a priority", typ)
		}
	}
}
