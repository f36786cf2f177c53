package mq

// As returns q as a T, an interface that some queues have in addition to
// [Queue], such as [Leaser] or [Exchange]; or else the first queue wrapped by q
// that is a T. It reports whether there is one. A queue that wraps another has a
// method Unwrap() Queue, unless it must not be bypassed.
//
// Packages such as ipcmq/mux/rpc use As, so that a wrapper, for example one that
// counts, need not know everything its queue can do. Compare errors.As.
func As[T any](q Queue) (T, bool) {
	for q != nil {
		if t, ok := q.(T); ok {
			return t, true
		}
		w, ok := q.(interface{ Unwrap() Queue })
		if !ok {
			break
		}
		q = w.Unwrap()
	}
	var none T
	return none, false
}
