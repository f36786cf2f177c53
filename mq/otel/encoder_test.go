package otel_test

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// An encoder writes attributes such as "operation=send error=full", without those
// that are the same everywhere: the system and the destination "jobs".
type encoder struct{}

func (encoder) ID() attribute.EncoderID { return attribute.EncoderID{} }

func (encoder) Encode(all attribute.Iterator) string {
	var words []string
	for all.Next() {
		switch a := all.Attribute(); {
		case a.Key == "messaging.system" && a.Value.AsString() == "ipcmq", a.Key == "messaging.destination.name" && a.Value.AsString() == "jobs":
		case a.Key == "messaging.operation.name":
			words = append(words, a.Value.AsString())
		default:
			words = append(words, string(a.Key)+"="+a.Value.String())
		}
	}
	return strings.Join(words, " ")
}
