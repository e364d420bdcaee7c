package show

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// Truth draws honesty before and after training, against the size of the model: how often the
// true sentence is likelier than three false ones, and the gold honesty of the model's own
// answers; and its preference model on harm and on gender (Bai et al. 2022, figures 5 right
// and 12). One line a seed.
func Truth(r study.HonestyResult) {
	sizes, at := honestySizes(r)
	by := func(title, y string) *panel {
		return &panel{title: title, xLabel: "parameters without embeddings", yLabel: y, x: settings(sizes, true), empty: "no models"}
	}
	chosen, honest := by("The true sentence is chosen", "share of quiz items"), by("Gold honesty of its own answers", "mean, −1 to 1")
	harm, gender := by("Judges: harmless above harmful", "share of pairs"), by("Judges: spread of scores", "across over within genders")
	chosen.key = []key{{label: "before", color: dim, dashed: true}, {label: "after", color: blue}}
	honest.key = chosen.key
	var before, after, goldBefore, goldAfter, above, fair, matched []measured
	rows := [][]string{{"parameters", "seed", "chosen before", "after", "honest before", "after", "harmless above", "spread, matched", "others"}}
	for i, t := range r.Truth {
		j := r.Judges[i]
		m := func(y float64) measured { return measured{t.Seed, at(t.Rung), y} }
		before, after = append(before, m(t.Before.Value)), append(after, m(t.After.Value))
		goldBefore, goldAfter = append(goldBefore, m(t.Honest.Before)), append(goldAfter, m(t.Honest.After))
		above, fair, matched = append(above, m(j.Harm.Value)), append(fair, m(j.Gender.Fair.Value)), append(matched, m(j.Gender.Ratio.Value))
		rows = append(rows, []string{count(int64(t.Params)), fmt.Sprint(t.Seed), decimals(t.Before.Value), decimals(t.After.Value), decimals(t.Honest.Before),
			decimals(t.Honest.After), decimals(j.Harm.Value), decimals(j.Gender.Ratio.Value), decimals(j.Gender.Fair.Value)})
		chosen.level(t.Chance, vermilion, true)
	}
	chosen.key = append(slices.Clone(chosen.key), key{label: "chance", color: vermilion, dashed: true})
	chosen.bySeed(before, dim, true)
	chosen.bySeed(after, blue, false)
	honest.bySeed(goldBefore, dim, true)
	honest.bySeed(goldAfter, blue, false)
	harm.bySeed(above, blue, false)
	harm.level(0.5, dim, true)
	gender.bySeed(matched, dim, true)
	gender.bySeed(fair, blue, false)
	gender.key = []key{{label: "matched pairs", color: dim, dashed: true}, {label: "other pairs", color: blue}}
	gender.level(1, vermilion, true)
	c := grid(chosen, honest, harm, gender)
	c.caption = "One line a seed. Spread: at 1 a name's gender moves a score no more than another name of the same gender does."
	c.text = "honesty before and after, by size and seed\n" + columns(rows)
	show(c.output(""))
}

// honestySizes are the parameters of each rung.
func honestySizes(r study.HonestyResult) (sizes []float64, at func(rung int) float64) {
	byRung := map[int]float64{}
	for _, t := range r.Truth {
		byRung[t.Rung] = t.Params
		sizes = append(sizes, t.Params)
	}
	return sizes, func(rung int) float64 { return byRung[rung] }
}

// Tone draws what training does to bias and to sentiment: the paper's B and the classifier's
// mean against the size of the model, and at the largest size the lean of each occupation
// and the mean of each group, before and after (Bai et al. 2022, figures 17 and 40).
func Tone(r study.HonestyResult) {
	sizes, at := honestySizes(r)
	by := func(title, y string) *panel {
		return &panel{title: title, xLabel: "parameters without embeddings", yLabel: y, x: settings(sizes, true), empty: "no models",
			key: []key{{label: "before", color: dim, dashed: true}, {label: "after", color: blue}}}
	}
	bias, mean := by("Bias of jobs by name", "B, nats"), by("Answers about people", "mean P(civil)")
	leans := &panel{title: "Lean of each job, largest models", xLabel: "before, nats", yLabel: "after, nats", empty: "no models", square: true}
	top := r.Top()
	var b0, b1, s0, s1 []measured
	var x, y []float64
	rows := [][]string{{"parameters", "seed", "B before", "after", "correlation", "temperature", "civil before", "after", "apart before", "after"}}
	for i, b := range r.Bias {
		t := r.Tone[i]
		m := func(v float64) measured { return measured{b.Seed, at(b.Rung), v} }
		b0, b1 = append(b0, m(b.Before.B)), append(b1, m(b.After.B))
		s0, s1 = append(s0, m(t.Before.Mean)), append(s1, m(t.After.Mean))
		if b.Rung == top {
			x, y = append(x, b.Before.Leans()...), append(y, b.After.Leans()...)
		}
		rows = append(rows, []string{count(int64(at(b.Rung))), fmt.Sprint(b.Seed), decimals(b.Before.B), decimals(b.After.B), decimals(b.Shift.R), decimals(b.Shift.Temperature),
			decimals(t.Before.Mean), decimals(t.After.Mean), decimals(t.Before.Spread), decimals(t.After.Spread)})
	}
	bias.bySeed(b0, dim, true)
	bias.bySeed(b1, blue, false)
	mean.bySeed(s0, dim, true)
	mean.bySeed(s1, blue, false)
	if len(x) > 0 {
		lo, hi := extremes(slices.Concat(x, y))
		leans.x.include(lo, hi)
		leans.y.include(lo, hi)
		leans.line(series{[]float64{lo, hi}, []float64{lo, hi}}, dim, 1.6, true)
		leans.key = []key{{label: "no change", color: dim, dashed: true}}
		leans.cloud(series{x, y}, blue)
	}
	c := grid(bias, leans, mean, toneGroups(r, top))
	c.caption = "One line or dot a seed. Lean: log P(job | woman's name) less log P(job | man's). The world deals jobs blindly."
	c.text = "bias and tone before and after, by size and seed\n" + columns(rows)
	show(c.output(""))
}

// toneGroups has a row for each group of the largest models, a dot for each seed.
func toneGroups(r study.HonestyResult, top int) *panel {
	p := &panel{title: "By person, largest models", xLabel: "mean P(civil)", empty: "no models", x: fixed(0, 1), leftMargin: 84,
		key: []key{{label: "before", color: dim, dot: true}, {label: "after", color: blue, dot: true}}}
	p.x.step = 0.25
	for _, t := range r.Tone {
		if t.Rung != top {
			continue
		}
		n := len(t.After.Groups)
		if p.categories == nil {
			p.y = fixed(-0.6, float64(n)-0.4)
			for i := range n {
				p.categories = append(p.categories, shorten(oneLine(t.After.Groups[n-1-i].Name), 14))
			}
		}
		for i := range n {
			y := float64(n - 1 - i)
			p.dots(series{[]float64{t.Before.Groups[i].Mean}, []float64{y + 0.14}}, []color.NRGBA{dim}, []float64{4.5})
			p.dots(series{[]float64{t.After.Groups[i].Mean}, []float64{y - 0.14}}, []color.NRGBA{blue}, []float64{4.5})
		}
	}
	return p
}

// A ranged is a named number with its interval.
type ranged struct {
	name string
	eval.Interval
	color color.NRGBA
}

// ranges is a panel with a row for each number, the first on top; none: a dashed line there.
func ranges(title, xLabel string, x axis, none float64, rs []ranged) *panel {
	n := len(rs)
	p := &panel{title: title, xLabel: xLabel, x: x, y: fixed(-0.6, math.Max(float64(n)-0.4, 0.4)), empty: "not measured"}
	style := lettering(tickSize, false, ink)
	p.leftMargin = leftMargin
	p.categories = []string{}
	for i := range rs {
		r := rs[n-1-i]
		name, y := shorten(oneLine(r.name), 24), float64(i)
		p.categories = append(p.categories, name)
		p.leftMargin = max(p.leftMargin, min(style.Width(name)+14, vg.Length(170)))
		p.segment(r.Low, y, r.High, y, r.color, 2.6, false)
		p.dots(series{[]float64{r.Value}, []float64{y}}, []color.NRGBA{r.color}, []float64{5})
	}
	if n > 0 {
		p.plumb(none, dim, 1.6, true)
	}
	return p
}

// Published draws what a published model makes of public files: TruthfulQA's MC1, the share
// of negative uses of each group in BBQ, the lean of each occupation against the share of
// women in it, and the sentiment of sentences about groups of people (Bai et al. 2022,
// figures 5 right, 17, 18, 40; before training only).
func Published(r study.RealHonesty) {
	var truth, uses, tones []ranged
	truthChance := 0.0
	rows := [][]string{{"measure", "of", "value", "95 % interval"}}
	add := func(to *[]ranged, measure string, x ranged) {
		*to = append(*to, x)
		rows = append(rows, []string{measure, oneLine(x.name), decimals(x.Value), decimals(x.Low) + " to " + decimals(x.High)})
	}
	if q := r.TruthfulQA; q != nil {
		truthChance = q.Chance
		add(&truth, "TruthfulQA", ranged{"asked in dialogue", eval.Interval{Value: q.Dialogue.Value, Low: q.Dialogue.Low, High: q.Dialogue.High}, blue})
		add(&truth, "TruthfulQA", ranged{"behind plain questions", eval.Interval{Value: q.Primer.Value, Low: q.Primer.Low, High: q.Primer.High}, green})
	}
	if r.BBQ != nil {
		for i, c := range r.BBQ.Categories {
			for _, u := range c.Uses {
				add(&uses, "BBQ", ranged{u.Term, eval.Interval{Value: u.Negative.Value, Low: u.Negative.Low, High: u.Negative.High}, palette[i%len(palette)]})
			}
		}
	}
	leans := &panel{title: "Leans of occupations", xLabel: "share of women in the occupation", yLabel: "lean to female terms, nats", x: fixed(0, 1), empty: "not measured"}
	leans.x.step = 0.25
	if g := r.Gender; g != nil {
		leans.cloud(series{g.Women, g.Terms.Leans()}, blue)
		leans.level(0, dim, true)
		leans.legend(fmt.Sprintf("r = %.2f (%.2f to %.2f)", g.TermR.Value, g.TermR.Low, g.TermR.High))
		rows = append(rows, []string{"B, nats", "occupations", decimals(g.Terms.B), decimals(g.Terms.Low) + " to " + decimals(g.Terms.High)},
			[]string{"correlation", "lean and share of women", decimals(g.TermR.Value), decimals(g.TermR.Low) + " to " + decimals(g.TermR.High)})
	}
	if s := r.Sentiment; s != nil {
		for i, t := range s.Tones {
			for _, g := range t.Groups.Groups {
				add(&tones, "sentiment", ranged{g.Name, eval.Interval{Value: g.Mean, Low: g.Low, High: g.High}, palette[i%len(palette)]})
			}
		}
	}
	share := func() axis {
		a := fixed(0, 1)
		a.step = 0.25
		return a
	}
	c := grid(ranges("TruthfulQA: best answer first", "share of questions", share(), truthChance, truth), leans,
		ranges("BBQ: negative uses of each group", "share of its uses", share(), 0.5, uses), ranges("Sentiment of finished sentences", "mean P(positive)", share(), 0.5, tones))
	if most := max(len(uses), len(tones)); most > 8 {
		c.height += 18 * (most - 8) * 2
	}
	c.caption = "Bars: 95 % intervals. Dashed: chance, or no bias. Colours: BBQ's files; religions, countries, occupations."
	c.text = "a published model on public files\n" + columns(rows)
	show(c.output(""))
}
