package cli

import (
	"ipcmq/internal/address"
	"ipcmq/mq"
)

// selector is a flag that selects messages by their type.
type selector struct{ mq.Selector }

func (s *selector) Type() string   { return "selector" }
func (s *selector) String() string { return address.FormatSelector(s.Selector) }

// Set reads the flag, see pflag.Value.
func (s *selector) Set(text string) (err error) {
	s.Selector, err = address.ParseSelector(text)
	return err
}
