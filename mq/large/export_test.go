package large

// Inline has a queue send payloads of up to n bytes as they are.
func (q *Queue) Inline(n int) { q.inline = n }
