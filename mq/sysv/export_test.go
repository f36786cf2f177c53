package sysv

// FtokOf is the arithmetic of Ftok.
var FtokOf = ftok

// QueuesIn is Queues with another /proc.
var QueuesIn = queues

var ParseRecord = parseRecord

// Waiting returns how many calls wait on a handle, including those that do not
// sleep in the kernel.
func Waiting(q *Queue) int { return q.calls.Waiting() }
