//go:build !linux

package sys

// See thread_linux.go for these functions.

func Gettid() int        { return 0 }
func Kick(int)           {}
func KicksIgnored() bool { return false }
func IgnoreKicks()       {}
func StopIgnoringKicks() {}
