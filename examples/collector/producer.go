package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/codec"
	"ipcmq/mq/posix"
)

// An event is sent by producers.
type event struct {
	Process int `json:"process"`
	Number  int `json:"number"`
}

// produce puts events into the queue in bursts, and never waits for room.
func produce(ctx context.Context) error {
	q, err := posix.Open(os.Getenv(envQueue), &posix.Config{Access: mq.WriteOnly, OpenOnly: true})
	if err != nil {
		return err
	}
	defer q.Close()
	events := codec.NewSender(q, mq.Message{}, codec.JSON[event]())
	fmt.Println("ready")

	var c counts
	burst := time.NewTicker(2 * time.Millisecond)
	defer burst.Stop()
	for i := range eventsEach {
		switch err := events.TrySend(event{os.Getpid(), i}); {
		case err == nil:
			c.Events++
		case errors.Is(err, mq.ErrFull):
			c.Dropped++
		default:
			return err
		}
		if i%10 == 9 {
			<-burst.C // the work that the events are about
		}
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}
