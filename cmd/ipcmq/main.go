// Command ipcmq sees, sends, receives, watches and diagnoses the message queues
// of the kernel, System V and POSIX ones. Its help says the rest.
package main

import (
	"os"

	"ipcmq/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
