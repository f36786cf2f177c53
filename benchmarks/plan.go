package main

import (
	"fmt"
	"regexp"
	"slices"
)

// A plan is what a run measures.
type plan struct {
	contests []contest
	trials   []trial
	figures  []backend // whose figures are measured
	curves   []curve
}

// alternativesGroup is the group of contests with alternatives.
const alternativesGroup = "alternatives"

// newPlan returns the plan of what pattern matches, for one size unless that is 0.
func newPlan(pattern string, size int) (plan, error) {
	want, err := regexp.Compile(pattern)
	if err != nil {
		return plan{}, err
	}
	if size != 0 && !slices.Contains(slices.Concat(sizes, requestSizes, largeSizes), size) {
		return plan{}, fmt.Errorf("size %d is none of %v, nor for requests of %v, nor of %v", size, sizes, requestSizes, largeSizes)
	}
	var p plan
	for _, b := range backends {
		for _, s := range slices.Concat(shapes, manyCallers(), paced(), besideBusy()) {
			p.add(contest{group: b.name, title: b.title, backend: b, shape: s, contenders: b.peers}, want, size)
		}
		if size == 0 && want.MatchString(figuresName(b)) {
			p.figures = append(p.figures, b)
		}
	}
	for _, s := range alternativeShapes {
		p.add(contest{group: alternativesGroup, title: "System V and alternatives", backend: systemV, shape: s, contenders: alternatives}, want, size)
	}
	for _, t := range trials() {
		if size == 0 && want.MatchString(t.name()) {
			p.trials = append(p.trials, t)
		}
	}
	for _, c := range curves {
		if size == 0 && want.MatchString(growthName(c)) {
			p.curves = append(p.curves, c)
		}
	}
	if len(p.names()) == 0 {
		return plan{}, fmt.Errorf("no row matches %q; -list shows all", pattern)
	}
	return p, nil
}

// add adds the contest with the contenders that want matches, once for each size. Peers
// and alternatives bring the contenders with which they are compared.
func (p *plan) add(c contest, want *regexp.Regexp, size int) {
	others := c.contenders
	for _, c.size = range c.shape.sizes {
		if size != 0 && c.size != size {
			continue
		}
		var chosen []contender
		if c.shape.against != nil {
			for _, o := range others {
				if o.can(c.shape) && want.MatchString(c.name(o)) {
					chosen = append(chosen, o)
				}
			}
		}
		withOthers := len(chosen) > 0
		var mine []contender
		for _, layer := range c.shape.layers {
			l, ok := c.backend.contenderNamed(layer)
			if !ok {
				continue // not every backend has raw calls
			}
			if want.MatchString(c.name(l)) || withOthers && slices.Contains(c.shape.against, layer) {
				mine = append(mine, l)
			}
		}
		if c.contenders = append(mine, chosen...); len(c.contenders) > 0 {
			p.contests = append(p.contests, c)
		}
	}
}

// names returns what -run can match.
func (p plan) names() []string {
	var names []string
	for _, c := range p.contests {
		for _, of := range c.contenders {
			names = append(names, c.name(of))
		}
	}
	for _, t := range p.trials {
		names = append(names, t.name())
	}
	for _, b := range p.figures {
		names = append(names, figuresName(b))
	}
	for _, c := range p.curves {
		names = append(names, growthName(c))
	}
	return names
}

func figuresName(b backend) string { return b.name + "/figures" }
