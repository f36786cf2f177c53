// Package codec puts Go values into the payloads of messages: as JSON, as text, in
// the fixed layouts of C, or in any format that a pair of functions reads and
// writes.
//
// A [Codec] works with everything that yields messages:
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
// [Values] is for the channel of a stream or a subscription, [All] for an iterator
// such as mq.All and Stream.All, and Codec.Value for a single message. [NewSender]
// turns a sender of messages into a sender of values.
//
// A payload that cannot be decoded comes as an [*Error], which holds the message as
// it came, and the loop continues. Nothing is dropped.
//
// For any other format, write the pair of functions:
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
// Whoever may write to the queue wrote what is decoded. A format that can name
// types or call functions, such as PHP's serialize, must be decoded without these
// abilities. A panic in Decode becomes an error, but nothing protects from a
// function that allocates what a length in the payload says, or never returns: look
// at the library first. Have PHP send JSON, as in examples/typed; examples/php
// shows its serialize, and what to look out for.
//
// Programs in other languages may round numbers in JSON: JavaScript does above
// 2^53.
package codec
