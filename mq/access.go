package mq

// Access says what a handle may do; it is asked for when a queue is opened.
type Access uint8

// The kinds of access. A method that the access excludes returns an error that
// matches fs.ErrPermission.
const (
	ReadWrite Access = iota // send and receive
	ReadOnly                // receive
	WriteOnly               // send
)

// String returns "read-write", "read-only" or "write-only".
func (a Access) String() string {
	switch a {
	case ReadWrite:
		return "read-write"
	case ReadOnly:
		return "read-only"
	case WriteOnly:
		return "write-only"
	}
	return "invalid"
}

// CanReceive reports whether a includes receiving.
func (a Access) CanReceive() bool { return a == ReadWrite || a == ReadOnly }

// CanSend reports whether a includes sending.
func (a Access) CanSend() bool { return a == ReadWrite || a == WriteOnly }
