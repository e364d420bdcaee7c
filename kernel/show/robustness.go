package show

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"hhrlhf/rlhf/study"
)

// Robustness draws policies as the preference model that they are trained against sees them, and as one
// of other comparisons does: gains over the initial policy against the samples trained on (Bai et
// al. 2022, figures 4 and 13), one line a seed and a dot where it diverges. On the left the largest preference
// model trains policies of all sizes, on the right one of the policy's own size does; the last panel has no penalty.
func Robustness(r study.Robust) {
	var panels []*panel
	rows := [][]string{{"policy", "trained against", "λ", "seed", "first gap", "last gap", "95 % interval", "diverges at step"}}
	var gains []float64
	for _, group := range robustGroups(r) {
		p, around := robustPanel(r, group)
		panels, gains = append(panels, p), append(gains, around...)
		for _, x := range group {
			row := []string{sizeOf(r, x.Policy.Rung), sizeOf(r, x.Policy.PMRung), number(x.Policy.KLCoef), fmt.Sprint(x.Policy.Seed), "", "", "", ""}
			if d, err := x.Course.Divergence(); err == nil {
				at := "never"
				if d.Step > 0 {
					at = fmt.Sprint(d.Step)
				}
				row = append(row[:4], decimals(d.Gaps[0].Mean), decimals(d.Last.Mean), decimals(d.Last.Low)+" to "+decimals(d.Last.High), at)
			}
			rows = append(rows, row)
		}
	}
	shareY(gains, panels...)
	if len(panels) == 0 {
		panels = []*panel{{title: "Gains", empty: "no policies"}}
	}
	c := grid(panels...)
	c.caption = "Gains over the initial policy in its standard deviations, one line a seed. Dot: from here on the two part by more than 0.1."
	c.text = "training and test preference models\n" + columns(rows)
	show(c.output(""))
}

// robustGroups are the runs by policy, the largest preference model's beside the others.
func robustGroups(r study.Robust) (groups [][]study.RobustRun) {
	of := func(rung, pm int, penalty bool) {
		var g []study.RobustRun
		for _, x := range r.Runs {
			if x.Policy.Rung == rung && x.Policy.PMRung == pm && (x.Policy.KLCoef > 0) == penalty {
				g = append(g, x)
			}
		}
		if len(g) > 0 {
			groups = append(groups, g)
		}
	}
	for rung := 0; rung < r.Top; rung++ {
		of(rung, r.Top, true)
		of(rung, rung, true)
	}
	of(r.Top, r.Top, true)
	of(r.Top, r.Top, false)
	return groups
}

// sizeOf names a rung by its parameters.
func sizeOf(r study.Robust, rung int) string {
	for _, x := range r.Runs {
		if x.Policy.Rung == rung {
			return about(x.Params)
		}
	}
	return fmt.Sprintf("rung %d", rung)
}

// robustPanel draws the runs of one policy, and returns what it has drawn too.
func robustPanel(r study.Robust, group []study.RobustRun) (p *panel, around []float64) {
	first := group[0].Policy
	title := fmt.Sprintf("Policy of %s, judge of %s", sizeOf(r, first.Rung), sizeOf(r, first.PMRung))
	if first.KLCoef == 0 {
		title += ", λ = 0"
	}
	p = &panel{title: title, xLabel: "samples trained on", yLabel: "gain, s.d.", empty: "no steps",
		key: []key{{label: "training model", color: blue}, {label: "test model", color: vermilion}}}
	var samples []float64
	for _, x := range group {
		train, test := smoothGains(x)
		around = append(around, train.y...)
		around = append(around, test.y...)
		samples = append(samples, train.x...)
		p.line(test, vermilion, 2, false)
		p.line(train, blue, 2, false)
		if d, err := x.Course.Divergence(); err == nil && d.Step > 0 {
			at := slices.Index(x.Course.Step, d.Step)
			p.dots(series{train.x[at : at+1], train.y[at : at+1]}, []color.NRGBA{black}, []float64{4})
		}
	}
	_, hi := extremes(samples)
	p.x = span(0, max(hi, 1))
	p.level(0, dim, true)
	return p, around
}

// smoothGains are a run's gains by both preference models over the samples, as local means.
func smoothGains(x study.RobustRun) (train, test series) {
	a, b := x.Course.Gains()
	window := smoothing(len(a))
	for _, step := range x.Course.Step {
		train.x = append(train.x, float64(step*x.Course.Batch))
	}
	test.x = train.x
	train.y, test.y = smooth(a, window), smooth(b, window)
	if b == nil {
		test = series{}
	}
	return train, test
}

// smoothing is the window of local means of n steps.
func smoothing(n int) int { return max(3, n/12) }

// shareY gives panels one ordinate with room for 0 and the values, so that equal heights mean equal values.
func shareY(values []float64, panels ...*panel) {
	var shared axis // all at once, or it would leave room to grow
	shared.include(append(values, 0)...)
	for _, p := range panels {
		p.y = shared
	}
}

// Laws draws the score against √KL (section 4.3): the gain by the training preference model with the line that fits it
// up to where the policy diverges, and by the test model; the slope in units of the
// deviation of scores within a prompt, of which √2 is the most that well-behaved scores allow; and how steeply
// each test model's score rises with the policy's size (figure 33).
func Laws(r study.Robust) {
	const root = "√KL, √nats per response"
	train := &panel{title: "By the training model", xLabel: root, yLabel: "gain, s.d.", empty: "no steps"}
	test := &panel{title: "By the largest test model", xLabel: root, yLabel: "gain, s.d.", empty: "no steps"}
	slopes := &panel{title: "Slope per within-prompt deviation", xLabel: "parameters of the policy", yLabel: "slope / s", empty: "no lines"}
	rows := [][]string{{"policy", "seed", "slope on √KL", "s.e.", "R²", "R² on KL", "slope / s", "to step"}}
	var sizes, gains, roots []float64
	var per []measured
	shades := ramp{0, 1.25 * float64(max(r.Top, 1))}
	for rung := 0; rung <= r.Top; rung++ {
		c := shades.color(float64(rung))
		train.key = append(train.key, key{label: sizeOf(r, rung), color: c})
		for _, x := range r.Runs {
			if x.Policy.Rung != rung || x.Policy.PMRung != r.Top || x.Policy.KLCoef == 0 {
				continue
			}
			a, b := smoothGains(x)
			kl := smooth(x.Course.KL, smoothing(len(x.Course.KL)))
			for i := range kl {
				kl[i] = math.Sqrt(max(kl[i], 0))
			}
			roots, gains = append(roots, kl...), append(append(gains, a.y...), b.y...)
			train.line(series{kl, a.y}, c, 1.8, false)
			test.line(series{kl[:len(b.y)], b.y}, c, 1.8, false)
			law, err := x.Course.Law()
			if err != nil {
				continue
			}
			last := slices.Index(x.Course.Step, law.Until)
			lo, hi := extremes(kl[:last+1])
			gain := func(d float64) float64 { return (law.Root.At(d) - x.Course.OfTrain.Mean) / x.Course.OfTrain.SD }
			train.segment(lo, gain(lo), hi, gain(hi), black, 1.6, true)
			sizes, per = append(sizes, x.Params), append(per, measured{x.Policy.Seed, x.Params, law.PerSD})
			rows = append(rows, []string{sizeOf(r, rung), fmt.Sprint(x.Policy.Seed), number(law.Root.Slope), number(law.Root.SlopeSE), decimals(law.Root.R2), decimals(law.Plain.R2), decimals(law.PerSD), fmt.Sprint(law.Until)})
		}
	}
	train.key = append(train.key, key{label: "fit", color: black, dashed: true})
	_, far := extremes(append(roots, 1))
	train.x, test.x = span(0, far), span(0, far)
	shareY(gains, train, test)
	slopes.x = settings(sizes, true)
	slopes.y = span(0, 1.5)
	slopes.level(math.Sqrt2, dim, true)
	slopes.key = []key{{label: "√2", color: dim, dashed: true}}
	slopes.bySeed(per, blue, false)
	c := grid(train, test, slopes, testSlopes(r))
	c.caption = "Policies of all sizes against the largest preference model, one line a seed."
	c.text = "the score against √KL\n" + columns(rows)
	show(c.output(""))
}

// testSlopes draws figure 33's slopes.
func testSlopes(r study.Robust) *panel {
	p := &panel{title: "Does a test model tell policies apart?", xLabel: "parameters of the test model", yLabel: "gain per ln(policy size)", empty: "no ladder"}
	var sizes []float64
	var all []measured
	if r.Top > 0 {
		for test, slopes := range r.TestSlopes() {
			for i, v := range slopes {
				for _, x := range r.Runs {
					if x.Policy.Rung == test {
						sizes, all = append(sizes, x.Params), append(all, measured{i, x.Params, v})
						break
					}
				}
			}
		}
	}
	p.x, p.y = settings(sizes, true), span(-0.1, 0.1)
	p.level(0, dim, true)
	p.bySeed(all, blue, false)
	return p
}

// Overoptimised draws the truth against d = √KL: along the training of policies of all sizes against the largest
// preference model, and for best-of-n by preference models of all sizes; dashed, the forms that Gao et al. 2022
// (section 3) fit to them, d·(α − β·ln d) and d·(α − β·d). One line a seed.
func Overoptimised(r study.Robust) {
	const root = "d = √KL, √nats per response"
	var distances []float64
	rl := &panel{title: "Reinforcement learning, by size of policy", xLabel: root, yLabel: "gain in truth", empty: "nobody knows the truth"}
	bon := &panel{title: "Best of n, by size of preference model", xLabel: root, yLabel: "gain in truth", empty: "nobody knows the truth"}
	rows := [][]string{{"", "size", "seed", "α", "s.e.", "β", "s.e.", "R²", "top at d", "top"}}
	shades := ramp{0, 1.25 * float64(max(r.Top, 1))}
	row := func(what string, rung, seed int, alpha, alphaSE, beta, betaSE, r2, peak, top float64) {
		rows = append(rows, []string{what, sizeOf(r, rung), fmt.Sprint(seed), decimals(alpha), decimals(alphaSE), decimals(beta), decimals(betaSE), decimals(r2), decimals(peak), decimals(top)})
	}
	for rung := 0; rung <= r.Top; rung++ {
		c := shades.color(float64(rung))
		rl.key, bon.key = append(rl.key, key{label: sizeOf(r, rung), color: c}), append(bon.key, key{label: sizeOf(r, rung), color: c})
		for _, x := range r.Runs {
			if x.Policy.Rung != rung || x.Policy.PMRung != r.Top || x.Policy.KLCoef == 0 || x.Course.Gold == nil {
				continue
			}
			window := smoothing(len(x.Course.KL))
			d, gold := smooth(x.Course.KL, window), smooth(x.Course.Gold, window)
			for i := range d {
				d[i], gold[i] = math.Sqrt(max(d[i], 0)), gold[i]-x.Course.OfGold
			}
			distances = append(distances, d...)
			rl.line(series{d, gold}, c, 1.8, false)
			if o, err := x.Course.Overoptimised(); err == nil {
				_, far := extremes(d)
				rl.form(o.At, far, c)
				row("RL", rung, x.Policy.Seed, o.Alpha, o.AlphaSE, o.Beta, o.BetaSE, o.R2, o.Peak, o.Top)
			}
		}
		for _, b := range r.Best {
			if b.Rung != rung || len(b.Gold) == 0 {
				continue
			}
			var s series
			for _, g := range b.Gold {
				s.x, s.y = append(s.x, math.Sqrt(g.KL)), append(s.y, g.Mean-b.Gold[0].Mean)
			}
			bon.x.include(s.x...)
			colors, radius := slices.Repeat([]color.NRGBA{c}, len(s.x)), slices.Repeat([]float64{4}, len(s.x))
			bon.dots(s, colors, radius)
			if o, err := b.Overoptimised(); err == nil {
				bon.form(o.At, s.x[len(s.x)-1], c)
				row("best of n", rung, b.Seed, o.Alpha, o.AlphaSE, o.Beta, o.BetaSE, o.R2, o.Peak, o.Top)
			}
		}
	}
	_, far := extremes(append(distances, 1))
	rl.x = span(0, far)
	if !bon.x.set {
		bon.x = span(0, 1)
	}
	for _, p := range []*panel{rl, bon} {
		p.level(0, dim, false)
	}
	c := grid(rl, bon)
	c.caption = "Truth: helpful + harmless by the gold labeller, less the initial policy's. Dashed: the forms of Gao et al. 2022."
	c.text = "the truth against √KL\n" + columns(rows)
	show(c.output(""))
}

// form adds a curve from 0 on.
func (p *panel) form(at func(float64) float64, far float64, c color.NRGBA) {
	var s series
	for i := range 101 {
		x := far * float64(i) / 100
		s.x, s.y = append(s.x, x), append(s.y, at(x))
	}
	p.line(s, c, 1.6, true)
}
