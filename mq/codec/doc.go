// Package codec has values of Go in the payloads of messages: JSON, text, the
// fixed layouts of C, or whatever a pair of functions makes of them.
//
// A [Codec] goes with everything that gives messages:
//
//	orders := codec.JSON[Order]()
//	for order, err := range codec.Values(s.Messages(), orders) {
//		var bad *codec.Error
//		if errors.As(err, &bad) {
//			log.Printf("%v: %q", bad, bad.Message.Data)
//			continue
//		}
//		handle(order)
//	}
//
// [Values] is for the channel of a stream or a subscription, [All] for an
// iterator such as mq.All and Stream.All, and Codec.Value for a single message.
// [NewSender] makes a sender of values of a sender of messages.
//
// A payload that cannot be decoded comes as an [*Error], which has the message as
// it came, and the rest goes on. Nothing is dropped.
//
// Other formats are a pair of functions, so that this package need not know them:
//
//	orders := codec.Codec[*pb.Order]{
//		Encode: func(o *pb.Order) ([]byte, error) { return proto.Marshal(o) },
//		Decode: func(data []byte) (*pb.Order, error) {
//			o := new(pb.Order)
//			return o, proto.Unmarshal(data, o)
//		},
//	}
//
// # Caveats
//
// What is decoded was written by whoever may write to the queue. A function for
// a format that can name types or call functions, such as PHP's serialize, must
// not be given the means to do so. A panic of it is an error, but nothing protects
// from one that allocates what a length in the payload says, or never returns: look
// at the library first. Have PHP send JSON, as in examples/typed; examples/php has
// its serialize, with what to look out for.
//
// JSON has numbers that programs in other languages round: JavaScript those
// above 2^53.
package codec
