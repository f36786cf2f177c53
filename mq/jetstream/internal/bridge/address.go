package bridge

import (
	"ipcmq/internal/address"
	"ipcmq/mq"
)

// A queueAddress is an address as it was given.
type queueAddress struct {
	address.Address
	text string
}

func (a queueAddress) jetstream() bool { return a.Kind == address.JetStream }
func (a queueAddress) posix() bool     { return a.Kind == address.Name }
func (a queueAddress) String() string  { return a.text }

func parseAddress(s string) (queueAddress, error) {
	a, err := address.ParseAny(s)
	if err != nil {
		err = usageError{err}
	}
	return queueAddress{a, s}, err
}

// selector is the flag that chooses messages by their type.
type selector struct{ mq.Selector }

func (s *selector) String() string { return address.FormatSelector(s.Selector) }

// Set reads the flag, see flag.Value.
func (s *selector) Set(text string) (err error) {
	s.Selector, err = address.ParseSelector(text)
	return err
}
