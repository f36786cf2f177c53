// Package procfs reads what /proc reports about message queues and their limits. Its
// functions take the file system, so that tests can give them another one.
package procfs
