// Package procfs reads what /proc tells of message queues and their limits. Its
// functions take the file system, so that tests can give them another one.
package procfs
