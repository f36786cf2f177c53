// Package plain calls, and answers, programs that know only message types, as
// described in the manuals of svmq for Node and sysvmq for Ruby, and in textbooks of
// C: requests have one type, replies another, and something in the bodies says which
// reply belongs to which request. No header is added.
//
//	pattern := plain.Pattern{RequestType: 100, ReplyType: 200, ID: plain.Field("id")}
//	client, err := plain.NewClient(q, pattern, nil)
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	reply, err := client.Request(ctx, []byte(`{"id":1,"city":"Bonn"}`))
//
// and on the other side, if it is in Go:
//
//	err := plain.Handle(ctx, q, pattern, func(ctx context.Context, request []byte) ([]byte, error) {
//		return answer(request), nil
//	}, nil)
//
// If both programs can be changed, use package ipcmq/mux/rpc: here, errors and
// deadlines are not sent, and there are the following caveats.
//
// # Caveats
//
// One client takes all messages of the reply's type, so each process that makes
// requests needs its own reply type, or queue. A reply that nobody waits for any more
// is discarded; ClientConfig.Unmatched sees it.
//
// Requests and replies that share a queue can deadlock: when requests fill it, no
// reply fits. So a client has at most ClientConfig.MaxPending requests in progress,
// and Handle continues to take requests while its replies wait for room. With other
// programs on either side, choose MaxPending so that this many requests and their
// replies fit into the queue, or give the replies another queue: Pattern.ReplyQueue.
//
// The server also handles requests whose caller has given up, since it cannot know.
package plain
