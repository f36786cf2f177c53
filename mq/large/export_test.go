package large

// Inline makes a queue send payloads of up to n bytes in the queue itself.
func (q *Queue) Inline(n int) { q.inline = n }
