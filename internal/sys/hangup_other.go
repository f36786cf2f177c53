//go:build !linux

package sys

import "os"

// AwaitHangup never returns.
func AwaitHangup(*os.File) { select {} }
