package web

// A queue fills, or drains, if a line fits its fill over the last intervals. It has to
// fit well: a queue that gets fuller and emptier by turns does it at no pace, or at one
// that more intervals show.
const (
	leastSeen = 5     // intervals
	leastRise = 0.005 // in all of them
	leastFit  = 0.7   // of the variance that the line explains
)

// forecast returns in how many intervals a queue will be full, or empty, at the pace of
// the last ones, given its fill in each; 0 if it will not, or is.
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
			break // more is not known
		}
	}
	return 0, 0
}

// lineOf returns how steep the line is that fits the values best, and which part of
// their variance it explains; 0 and 0 if one is not known.
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
