package address

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"ipcmq/mq"
)

// ParseSelector parses a selector of messages by type: 0, 7, -7 or !7.
func ParseSelector(s string) (mq.Selector, error) {
	digits, except := strings.CutPrefix(s, "!")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || except && n <= 0 || n == math.MinInt64 {
		return mq.Any(), errors.New(`it is 0 (any), 7 (that type), -7 (the lowest up to 7) or "!7" (all but 7)`)
	}
	switch {
	case except:
		return mq.Except(n), nil
	case n < 0:
		return mq.UpTo(-n), nil
	case n > 0:
		return mq.Type(n), nil
	}
	return mq.Any(), nil
}

// FormatSelector returns the text that ParseSelector parses as s.
func FormatSelector(s mq.Selector) string {
	n := strconv.FormatInt(s.Type(), 10)
	switch s.Kind() {
	case mq.SelectUpTo:
		return "-" + n
	case mq.SelectExcept:
		return "!" + n
	}
	return n
}
