package web

// A queue fills, or drains, if a line fits its fill over the last intervals. The line
// must fit well: a queue that goes up and down has no trend, or one that only more
// intervals show.
const (
	leastSeen = 5     // intervals
	leastRise = 0.005 // over all of them
	leastFit  = 0.7   // share of the variance that the line explains
)

// forecast returns in how many intervals a queue will be full, or empty, at its recent
// rate, given its fill in each interval; 0 if it never will be, or already is.
func forecast(history []float64) (full, empty float64) {
	if len(history) < leastSeen {
		return 0, 0
	}
	now := history[len(history)-1]
	for _, length := range []int{15, 40, 120} {
		last := history[max(0, len(history)-length):]
		slope, fit := lineOf(last)
		switch rise := slope * float64(len(last)-1); {
		case fit < leastFit:
		case rise >= leastRise:
			return max(0, 1-now) / slope, 0
		case rise <= -leastRise:
			return 0, max(0, now) / -slope
		}
		if len(last) == len(history) {
			break // earlier values are not known
		}
	}
	return 0, 0
}

// lineOf returns the slope of the line that fits the values best, and the share of
// their variance that it explains; 0 and 0 if a value is not known.
func lineOf(values []float64) (slope, fit float64) {
	n := float64(len(values))
	var x, y, xx, xy, yy float64
	for i, v := range values {
		if v < 0 {
			return 0, 0
		}
		t := float64(i)
		x, y, xx, xy, yy = x+t, y+v, xx+t*t, xy+t*v, yy+v*v
	}
	covariance, varianceX, varianceY := n*xy-x*y, n*xx-x*x, n*yy-y*y
	if varianceY <= 0 {
		return 0, 0
	}
	return covariance / varianceX, covariance * covariance / (varianceX * varianceY)
}
