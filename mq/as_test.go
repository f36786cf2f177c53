package mq_test

import (
	"testing"

	"ipcmq/mq"
)

type plain struct{ mq.Queue }

type lender struct{ plain }

func (*lender) SelectLeases(mq.Selector) (mq.LeaseReceiver, error) { return nil, nil }

type wrapper struct {
	mq.Queue
	inner mq.Queue
}

func (w wrapper) Unwrap() mq.Queue { return w.inner }

func TestAsFindsWhatWrappedQueuesCanDo(t *testing.T) {
	l := &lender{}
	for name, c := range map[string]struct {
		q    mq.Queue
		want bool
	}{
		"nil":                       {nil, false},
		"it cannot":                 {plain{}, false},
		"it can":                    {l, true},
		"wrapped":                   {wrapper{inner: l}, true},
		"wrapped twice":             {wrapper{inner: wrapper{inner: l}}, true},
		"wrapped, and it cannot":    {wrapper{inner: plain{}}, false},
		"wrapped, and there is nil": {wrapper{}, false},
		"hidden":                    {plain{l}, false},
	} {
		if got, ok := mq.As[mq.Leaser](c.q); ok != c.want || ok && got != mq.Leaser(l) {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
}
