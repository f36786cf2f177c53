package reader

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"ipcmq/mq"
)

// DefaultSpin is how long streams, muxes, and the clients and servers of rpc poll
// unless they are told otherwise: about as long as it takes to sleep and to be
// woken. So even where polling is in vain it costs no more than twice what
// sleeping does.
const DefaultSpin = 50 * time.Microsecond

// Spin returns how long to poll q before each wait, where a user has asked for
// spin: 0 for the default, less for not at all. What is on another host is never
// polled, and by default nothing is where a sender could not run meanwhile.
func Spin(q mq.Queue, spin time.Duration) time.Duration {
	switch {
	case spin < 0 || isRemote(q) || spin == 0 && runtime.NumCPU() == 1:
		return 0
	case spin == 0:
		return DefaultSpin
	}
	return spin
}

// Polling returns a receiver that polls r for up to d before it waits as r does.
// A d of 0 or less returns r itself.
//
// A message that arrives while the receiver polls is taken within a microsecond
// or so, without the 10 to 50 microseconds that waking a sleeping thread takes.
// The price is a busy processor, so d is best not much longer than that. After a
// few polls in vain the receiver polls before every eighth wait only, then before
// every 16th, and so on up to every 256th, until one is not in vain: what comes
// too rarely for polling soon costs no more than waiting for it.
func Polling(r mq.Receiver, d time.Duration) mq.Receiver {
	if d <= 0 {
		return r
	}
	return &spinner{Receiver: r, d: d}
}

type spinner struct {
	mq.Receiver // TryReceive and TryReceiveInto as they are
	d           time.Duration
	vain        atomic.Uint32 // waits since a poll was not in vain
}

const (
	polls  = 4   // in vain, before each wait; then before the 8th, the 16th, and so on
	rarest = 256 // up to one wait of so many

	// leastTry is shorter than any try: where time stands still, as in
	// testing/synctest, polling ends by their number.
	leastTry = 20 * time.Nanosecond
)

func (s *spinner) Receive(ctx context.Context) (mq.Message, error) {
	var m mq.Message
	err := s.poll(ctx, func() (err error) {
		m, err = s.Receiver.TryReceive()
		return err
	})
	if errors.Is(err, mq.ErrEmpty) {
		return s.Receiver.Receive(ctx)
	}
	return m, err
}

func (s *spinner) ReceiveInto(ctx context.Context, m *mq.Message) error {
	err := s.poll(ctx, func() error { return s.Receiver.TryReceiveInto(m) })
	if errors.Is(err, mq.ErrEmpty) {
		return s.Receiver.ReceiveInto(ctx, m)
	}
	return err
}

// isWorthIt reports whether to poll before the n-th wait since a poll was not in
// vain.
func isWorthIt(n uint32) bool {
	isPowerOf2 := n&(n-1) == 0
	return n <= polls || n%rarest == 0 || isPowerOf2
}

// poll calls try until it finds a message or fails. It returns ErrEmpty when
// that has taken long enough or ctx has ended.
func (s *spinner) poll(ctx context.Context, try func() error) error {
	if n := s.vain.Add(1); ctx.Err() != nil || !isWorthIt(n) {
		return mq.ErrEmpty
	}
	start := time.Now()
	for i := time.Duration(1); i < s.d/leastTry || i == 1; i++ {
		if err := try(); !errors.Is(err, mq.ErrEmpty) {
			s.vain.Store(0)
			return err
		}
		if i%16 == 0 || i&(i-1) == 0 { // soon, too: behind a backlog of other types a try takes long
			if time.Since(start) > s.d || ctx.Err() != nil {
				break
			}
			runtime.Gosched()
		}
	}
	return mq.ErrEmpty
}
