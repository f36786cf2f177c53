// Package plain calls, and answers, programs that know message types and nothing
// else, as the manuals of svmq for Node and sysvmq for Ruby, and textbooks of C,
// describe it: requests have one type, replies another, and something in the bodies
// says which reply belongs to which request. No header is added.
//
//	pattern := plain.Pattern{RequestType: 100, ReplyType: 200, ID: plain.Field("id")}
//	client, err := plain.NewClient(q, pattern, nil)
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	reply, err := client.Request(ctx, []byte(`{"id":1,"city":"Bonn"}`))
//
// and on the other side, if that is in Go:
//
//	err := plain.Handle(ctx, q, pattern, func(ctx context.Context, request []byte) ([]byte, error) {
//		return answer(request), nil
//	}, nil)
//
// Between programs of which both can be changed, use package ipcmq/mux/rpc: here an
// error has no form of its own, a deadline does not travel, and what follows holds.
//
// # Caveats
//
// One client takes all messages of the reply's type, so each process that makes
// requests needs a reply type of its own, or a queue. A reply that nobody waits for
// any more is discarded; ClientConfig.Unmatched sees it.
//
// Requests and replies that share a queue can lock each other out: when requests fill
// it, no reply fits. So a client has only as many requests under way as
// ClientConfig.MaxPending says, and Handle goes on taking requests while its replies
// wait for room. With other programs on either side, choose MaxPending so that so many
// requests and their replies fit into the queue, or give the replies a queue of their
// own: Pattern.ReplyQueue.
//
// The server handles requests whose caller has given up, since it cannot know.
package plain
