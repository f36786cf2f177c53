// Package sys makes the system calls of message queues, one function a call,
// without policy: no retries, no limits, no text. It is the only package that
// imports golang.org/x/sys/unix, uses unsafe or has build constraints; where
// there is no such call, its functions answer ENOSYS, which matches
// errors.ErrUnsupported.
package sys
