package large_test

import (
	"testing"

	"ipcmq/internal/testutil"
)

// roles are the processes that tests start.
var roles = map[string]func(){}

func TestMain(m *testing.M) { testutil.Main(m, roles) }
