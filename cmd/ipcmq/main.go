// Command ipcmq shows, sends to, receives from, watches and diagnoses the message
// queues of the kernel, System V and POSIX, and those on NATS JetStream. See its help.
package main

import (
	"os"

	"ipcmq/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
