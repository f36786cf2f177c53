// Package collect looks at the message queues of the IPC namespace, of both kinds, and
// reports what could not be seen. All commands that show queues use it: ls, stat,
// limits, top, doctor, export and web.
package collect
