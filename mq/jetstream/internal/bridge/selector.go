package bridge

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"ipcmq/mq"
)

// selector is the flag that chooses messages by their type.
type selector struct{ mq.Selector }

func (s *selector) String() string {
	t := strconv.FormatInt(s.Selector.Type(), 10)
	switch s.Kind() {
	case mq.SelectUpTo:
		return "-" + t
	case mq.SelectExcept:
		return "!" + t
	}
	return t
}

// Set reads the flag, see flag.Value.
func (s *selector) Set(text string) error {
	digits, except := strings.CutPrefix(text, "!")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || except && n <= 0 || n == math.MinInt64 {
		return errors.New(`it is 0 (any), 7 (that type), -7 (the lowest up to 7) or "!7" (all but 7)`)
	}
	switch {
	case except:
		s.Selector = mq.Except(n)
	case n < 0:
		s.Selector = mq.UpTo(-n)
	case n > 0:
		s.Selector = mq.Type(n)
	default:
		s.Selector = mq.Any()
	}
	return nil
}
