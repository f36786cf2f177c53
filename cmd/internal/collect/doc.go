// Package collect looks at the message queues of the IPC namespace, of both kinds,
// and says what could not be seen. Everything that shows queues reads it: ls, stat,
// limits, top, doctor and export.
package collect
