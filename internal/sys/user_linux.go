package sys

import "syscall"

// Become makes this process act as another user, for good, in the group of the
// same number and in others; for tests, and for root alone.
func Become(uid int, groups ...int) error {
	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	if err := syscall.Setresgid(uid, uid, uid); err != nil {
		return err
	}
	return syscall.Setresuid(uid, uid, uid)
}
