package web_test

import (
	"math"
	"testing"

	"ipcmq/cmd/internal/web"
)

func TestForecast(t *testing.T) {
	steady, waves, rising := make([]float64, 100), make([]float64, 100), make([]float64, 120)
	for i := range steady {
		steady[i] = float64(i) / 200
		waves[i] = 0.2 + float64(i%10)/50
	}
	for i := range rising { // alternating with a little draining
		rising[i] = float64(i)/400 + float64(i%10)/50
	}
	for name, c := range map[string]struct {
		history     []float64
		full, empty float64
	}{
		"nothing":         {nil, 0, 0},
		"seen too short":  {[]float64{0.1, 0.2, 0.3, 0.4}, 0, 0},
		"steady":          {steady, (1 - 99.0/200) * 200, 0},
		"it stands":       {[]float64{0.5, 0.5, 0.5, 0.5, 0.5}, 0, 0},
		"it drains":       {[]float64{0.5, 0.4, 0.3, 0.2, 0.1}, 0, 1},
		"it is full":      {[]float64{0.5, 0.7, 0.8, 0.9, 1}, 0, 0},
		"unseen":          {[]float64{-1, -1, -1, -1, -1, -1}, 0, 0},
		"a message more":  {[]float64{0.5, 0.5, 0.5, 0.5, 0.501}, 0, 0},
		"waves":           {waves, 0, 0},
		"it has drained":  {append([]float64{0.9, 0.8, 0.7}, steady[:20]...), (1 - 19.0/200) * 200, 0},
		"waves that rise": {rising, 198.1, 0},
	} {
		if full, empty := web.Forecast(c.history...); math.Abs(full-c.full) > 0.1 || math.Abs(empty-c.empty) > 0.1 {
			t.Errorf("%s: full in %v, empty in %v instead of %v, %v", name, full, empty, c.full, c.empty)
		}
	}
}
