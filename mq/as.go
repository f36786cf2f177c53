package mq

// As returns q, or else the first of the queues that it wraps, as a T: an
// interface that some queues have besides [Queue], such as [Leaser] or
// [Exchange]. It reports whether there is one. A queue that wraps another says
// so with a method Unwrap() Queue; one that must not be bypassed has none.
//
// Packages such as ipcmq/mux/rpc use As, so that a wrapper, for example one that
// counts, need not know all that its queue can do. Compare errors.As.
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
