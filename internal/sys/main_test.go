package sys_test

import (
	"testing"

	"ipcmq/internal/testutil"
)

// roles is added to by the tests that start processes.
var roles = map[string]func(){}

func TestMain(m *testing.M) { testutil.Main(m, roles) }
