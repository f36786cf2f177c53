package follow_test

import (
	"testing"

	"ipcmq/internal/testutil"
)

var roles = map[string]func(){}

func TestMain(m *testing.M) { testutil.Main(m, roles) }
