package mux

var (
	Cover       = cover
	Overlap     = overlap
	ParseHeader = parseHeader
)

type (
	Header = header
	Kind   = kind
)

const (
	KindRequest = kindRequest
	KindReply   = kindReply
	KindError   = kindError
)

// Address returns the address of the inbox.
func (h header) Address() string { return h.address }

// NewHeader returns a request with an empty payload.
func NewHeader(address string) []byte {
	return header{kind: kindRequest, id: 1, token: 2, address: address}.append(nil, nil)
}
