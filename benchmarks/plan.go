package main

import (
	"fmt"
	"regexp"
	"slices"
)

// A plan is what a run measures.
type plan struct {
	rows    []row     // those of one table together
	figures []backend // of which to measure the figures
}

// newPlan returns what pattern matches, of one size unless that is 0.
func newPlan(pattern string, size int) (plan, error) {
	want, err := regexp.Compile(pattern)
	if err != nil {
		return plan{}, err
	}
	if size != 0 && !slices.Contains(sizes, size) {
		return plan{}, fmt.Errorf("size %d is none of %v", size, sizes)
	}
	var p plan
	for _, b := range backends {
		p.add(b, want, size)
	}
	if len(p.rows)+len(p.figures) == 0 {
		return plan{}, fmt.Errorf("no row matches %q; -list shows all", pattern)
	}
	return p, nil
}

func (p *plan) add(b backend, want *regexp.Regexp, size int) {
	for _, s := range shapes {
		for _, layer := range s.layers {
			l, ok := b.layerNamed(layer)
			if !ok {
				continue // not every backend has raw calls
			}
			for _, n := range sizes {
				if n+l.header > maxSize {
					continue
				}
				r := row{b, s, layer, n}
				if (size == 0 || n == size) && want.MatchString(r.name()) {
					p.rows = append(p.rows, r)
				}
			}
		}
	}
	if size == 0 && want.MatchString(figuresName(b)) {
		p.figures = append(p.figures, b)
	}
}

// names returns what -run can match.
func (p plan) names() []string {
	var names []string
	for _, r := range p.rows {
		names = append(names, r.name())
	}
	for _, b := range p.figures {
		names = append(names, figuresName(b))
	}
	return names
}

func figuresName(b backend) string { return b.name + "/figures" }
