package sys_test

import (
	"math"
	"strconv"
	"testing"

	"ipcmq/internal/sys"
)

func TestTypeIsALong(t *testing.T) {
	if sys.TypeSize*8 != strconv.IntSize {
		t.Fatalf("TypeSize = %d", sys.TypeSize)
	}
	for _, typ := range []int64{1, 2, 255, 256, 1<<24 + 3, math.MaxInt32, sys.MaxType, sys.MaxType - 1} {
		// Not aligned to a word: an access in one piece would fault on mips.
		buf := make([]byte, 1+sys.TypeSize+1)
		buf[0], buf[len(buf)-1] = 0xc5, 0xc5
		sys.PutType(buf[1:], typ)
		if got := sys.GetType(buf[1:]); got != typ {
			t.Errorf("put %d, got %d", typ, got)
		}
		if buf[0] != 0xc5 || buf[len(buf)-1] != 0xc5 {
			t.Errorf("type %d: bytes around it were changed: %x", typ, buf)
		}
	}
}
