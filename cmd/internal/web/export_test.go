package web

// Body returns what a payload is shown as.
func Body(data []byte) (kind, text string, cut bool) {
	b := newBody(data)
	return b.Kind, b.Text, b.Cut
}

// Beginning returns what is shown of a payload among others.
func Beginning(data []byte) (kind, text string) { return beginning(data) }

// Forecast returns in how many intervals a queue will be full, or empty.
func Forecast(history ...float64) (full, empty float64) { return forecast(history) }
