package web

// Body returns how a payload is shown.
func Body(data []byte) (kind, text string, cut bool) {
	b := newBody(data)
	return b.Kind, b.Text, b.Cut
}

// Beginning returns how a payload is shown in a list.
func Beginning(data []byte) (kind, text string) { return beginning(data) }

// Forecast returns in how many intervals a queue will be full, or empty.
func Forecast(history ...float64) (full, empty float64) { return forecast(history) }
