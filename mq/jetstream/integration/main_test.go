package integration_test

import (
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, roles) }

// roles are what the test binary does as another process, see testutil.Command.
var roles = map[string]func(){}
