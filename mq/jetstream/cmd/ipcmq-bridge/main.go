// Command ipcmq-bridge forwards messages between a queue of the kernel and a
// queue on NATS JetStream. Its help says the rest.
package main

import (
	"os"

	"ipcmq/mq/jetstream/internal/bridge"
)

func main() { os.Exit(bridge.Main(os.Args[1:])) }
