package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A picture is one quantity of a growth, drawn over x.
type picture struct {
	growth growth
	file   string
	label  string              // the quantity, with its unit
	of     func(point) *spread // nil where it was not measured
}

// pictures returns the pictures of a growth: of the time per message, or the number per
// second, and of the median of calls if they were timed.
func (g growth) pictures() []picture {
	first := picture{g, g.Name + ".svg", "time of a " + g.Of + ", µs", func(p point) *spread { return p.NS.times(1e-3) }}
	if g.Rate {
		first.label = "thousand " + g.Of + "s per second"
		first.of = func(p point) *spread { return p.NS.perSecond().times(1e-3) }
	}
	all := []picture{first}
	for _, l := range g.Lines {
		if l.first().P50 != nil {
			return append(all, picture{g, g.Name + "-p50.svg", "p50 of a " + g.Of + ", µs", func(p point) *spread {
				if p.P50 == nil {
					return nil
				}
				return p.P50.times(1e-3)
			}})
		}
	}
	return all
}

func (s spread) times(f float64) *spread { return &spread{s.Median * f, s.Min * f, s.Max * f} }

// perSecond converts nanoseconds for one into the number per second.
func (s spread) perSecond() spread { return spread{1e9 / s.Median, 1e9 / s.Max, 1e9 / s.Min} }

// Colors that the color-blind can distinguish. The others are compared with the first.
var colors = []color.NRGBA{{0x55, 0x55, 0x55, 0xff}, {0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}}

var glyphs = []draw.GlyphDrawer{draw.BoxGlyph{}, draw.CircleGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}}

const pictureWidth, pictureHeight = 7 * vg.Inch, 3.4 * vg.Inch

// svg draws the medians as lines, and the spread as a band around each.
func (p picture) svg() ([]byte, error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	fig := plot.New()
	fig.Title.Text = p.growth.Title
	fig.Title.Padding = vg.Points(8)
	fig.X.Label.Text, fig.Y.Label.Text = p.growth.Axis, p.label
	fig.X.Label.Padding, fig.Y.Label.Padding = vg.Points(4), vg.Points(4)
	fig.Add(plotter.NewGrid())
	legend := plot.NewLegend()
	legend.Top = true
	legend.Left = true
	legend.Padding = vg.Points(3)
	least, most := math.Inf(1), 0.0
	for i, l := range p.growth.Lines {
		var medians, below, above plotter.XYs
		for _, pt := range l.Points {
			if s := p.of(pt); s != nil {
				x := float64(pt.X)
				medians = append(medians, plotter.XY{X: x, Y: s.Median})
				below = append(below, plotter.XY{X: x, Y: s.Min})
				above = append(above, plotter.XY{X: x, Y: s.Max})
				least, most = min(least, s.Min), max(most, s.Max)
			}
		}
		if len(medians) == 0 {
			continue
		}
		line, marks, err := plotter.NewLinePoints(medians)
		if err != nil {
			return nil, err
		}
		c := colors[i%len(colors)]
		line.Color, line.Width = c, vg.Points(1.5)
		if i == 0 {
			line.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
		}
		marks.Color, marks.Shape, marks.Radius = c, glyphs[i%len(glyphs)], vg.Points(3)
		band, err := plotter.NewPolygon(append(below, reversed(above)...))
		if err != nil {
			return nil, err
		}
		c.A = 0x2c
		band.Color, band.LineStyle.Width = c, 0
		fig.Add(band, line, marks)
		legend.Add(l.Name, line, marks)
	}
	fig.X.Scale, fig.X.Tick.Marker = logarithmFromZero{}, ticksAt(p.growth.Lines[0].Points)
	if p.growth.Linear {
		fig.X.Scale = plot.LinearScale{}
	}
	fig.Y.Min, fig.Y.Max = 0, most*1.05
	fig.Y.Tick.Marker = plot.TickerFunc(ticksFromZero)
	if most > 8*least { // small costs would all lie on the axis
		fig.Y.Min, fig.Y.Max = least/1.1, most*1.1
		fig.Y.Scale, fig.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(ticks125)
	}

	canvas := vgsvg.New(pictureWidth, pictureHeight)
	all := draw.New(canvas)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	all = draw.Crop(all, vg.Points(4), -vg.Points(4), vg.Points(4), -vg.Points(6))
	width := legend.Rectangle(all).Size().X*1.25 + vg.Points(8) // other fonts are wider
	fig.Draw(draw.Crop(all, 0, -width, 0, 0))
	legend.Draw(draw.Crop(all, all.Size().X-width+vg.Points(8), 0, 0, -vg.Points(28)))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	// Most systems have one of these; the widths are those of the first.
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}

// writePictures writes the pictures of all growths into dir.
func writePictures(dir string, all []growth) error {
	for _, g := range all {
		for _, p := range g.pictures() {
			b, err := p.svg()
			if err != nil {
				return fmt.Errorf("%s: %w", p.file, err)
			}
			if err := os.WriteFile(filepath.Join(dir, p.file), b, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func reversed(v plotter.XYs) plotter.XYs {
	r := make(plotter.XYs, len(v))
	for i := range v {
		r[len(v)-1-i] = v[i]
	}
	return r
}

// A logarithmFromZero also accepts 0.
type logarithmFromZero struct{}

func (logarithmFromZero) Normalize(low, high, x float64) float64 {
	return (math.Log1p(x) - math.Log1p(low)) / (math.Log1p(high) - math.Log1p(low))
}

// ticksAt marks the measured points.
func ticksAt(points []point) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, p := range points {
		ticks = append(ticks, plot.Tick{Value: float64(p.X), Label: strconv.Itoa(p.X)})
	}
	return ticks
}

// ticks125 marks 1, 2 and 5 of each power of ten.
func ticks125(low, high float64) (ticks []plot.Tick) {
	for power := math.Pow(10, math.Floor(math.Log10(low))); power <= high; power *= 10 {
		for _, n := range []float64{1, 2, 5} {
			if v := n * power; v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: number(v)})
			}
		}
	}
	return ticks
}

// ticksFromZero marks some round numbers from 0 to high.
func ticksFromZero(_, high float64) (ticks []plot.Tick) {
	step := math.Pow(10, math.Floor(math.Log10(high)))
	for _, part := range []float64{5, 2} {
		if high/step < 4 {
			step = math.Pow(10, math.Floor(math.Log10(high))) * part / 10
		}
	}
	for i := 0; float64(i)*step <= high; i++ {
		ticks = append(ticks, plot.Tick{Value: float64(i) * step, Label: number(float64(i) * step)})
	}
	return ticks
}

// number formats the value of a tick, without noise of floating point.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
