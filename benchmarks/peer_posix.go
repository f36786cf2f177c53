package main

// Both have POSIX queues through the C library, and define the same C symbols.
// Without attributes, which are for new queues, their receive buffers have
// 16 MiB.
var (
	syucream = library{name: "syucream/posix_mq", module: "github.com/syucream/posix_mq", backend: "posix-blocking", tag: "syucream"}
	joe      = library{name: "joe-at-startupmedia/posix_mq", module: "github.com/joe-at-startupmedia/posix_mq", backend: "posix-blocking", tag: "joe"}
)
