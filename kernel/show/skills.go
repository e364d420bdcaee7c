package show

import (
	"fmt"
	"image/color"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// skilled are the models of the code section, as they are named and drawn.
var skilled = []struct {
	name  string
	color color.NRGBA
	of    func(study.CodeSkill) []eval.Setting
}{
	{"before", dim, func(c study.CodeSkill) []eval.Setting { return c.Before }},
	{"general prompts", blue, func(c study.CodeSkill) []eval.Setting { return c.General }},
	{"programs too", vermilion, func(c study.CodeSkill) []eval.Setting { return c.Programs }},
}

// Programs draws how often one of k programs passes before and after reinforcement
// learning, each k at its best setting (Bai et al. 2022, figure 21): a thin line a seed within the seeds'
// range, and their mean. Two more panels have each temperature by itself, for one try and for the most; top-p 0.95 is dashed.
func Programs(s study.Skills) {
	ks := s.Tries()
	var tries []float64
	for _, k := range ks {
		tries = append(tries, float64(k))
	}
	best := &panel{title: "One of k programs passes", xLabel: "k, each at the best of ten settings", yLabel: "share of questions", x: settings(tries, true), empty: "no programs"}
	panels := []*panel{best}
	rows := [][]string{{"", "k", "pass@k", "lowest seed", "highest seed"}}
	change := &panel{title: "Change, with 95 % intervals over seeds", xLabel: "k, each at the best of ten settings", yLabel: "after less before", x: settings(tries, true), empty: "no programs"}
	change.level(0, dim, true)
	for i, m := range skilled {
		best.key = append(best.key, key{label: m.name, color: m.color})
		if i > 0 {
			change.key = append(change.key, key{label: m.name, color: m.color})
			change.changes(s, ks, 0.01*(2*float64(i)-3), m.color, m.of)
		}
		var seeds [][]float64
		for _, c := range s.Code {
			seeds = append(seeds, study.Best(m.of(c), ks))
		}
		mean, lo, hi := best.spread(tries, seeds, m.color, false)
		for i, k := range ks {
			rows = append(rows, []string{m.name, fmt.Sprint(k), fmt.Sprintf("%.3f", mean[i]), fmt.Sprintf("%.3f", lo[i]), fmt.Sprintf("%.3f", hi[i])})
		}
	}
	if len(ks) > 0 {
		for _, k := range []int{ks[0], ks[len(ks)-1]} {
			panels = append(panels, temperatures(s, k))
		}
	}
	for _, p := range panels {
		p.y = fixed(0, 1)
	}
	c := grid(append(panels, change)...)
	c.caption = "After feedback on prompts that ask for no program, as in the paper, or on all. Thin: a seed. Dashed: top-p 0.95."
	c.text = "programs that pass, each k at its best setting\n" + columns(rows)
	show(c.output(""))
}

// changes draws by how much a policy's pass@k exceeds the language model's, beside its k.
func (p *panel) changes(s study.Skills, ks []int, beside float64, c color.NRGBA, of func(study.CodeSkill) []eval.Setting) {
	var line series
	for _, k := range ks {
		var x []float64
		for _, code := range s.Code {
			x = append(x, study.Best(of(code), []int{k})[0]-study.Best(code.Before, []int{k})[0])
		}
		e := study.Over(x)
		at := p.x.shifted(float64(k), beside)
		p.whisker(at, e.Low, e.High, c)
		line.x, line.y = append(line.x, at), append(line.y, e.Mean)
	}
	p.line(line, c, 2.4, false)
}

// temperatures draws pass@k against the temperature, for both values of top-p.
func temperatures(s study.Skills, k int) *panel {
	p := &panel{title: fmt.Sprintf("pass@%d by temperature", k), xLabel: "temperature; 0: the likeliest token", yLabel: "share of questions", empty: "no programs"}
	var at []float64
	for _, m := range skilled {
		for _, topP := range []float64{1, 0.95} {
			var x []float64
			var seeds [][]float64
			for _, c := range s.Code {
				x = nil
				var y []float64
				for _, set := range m.of(c) {
					if set.TopP != topP {
						continue
					}
					v, err := eval.MeanPassAtK(set.Problems(), k)
					if err == nil {
						x, y = append(x, set.Temperature), append(y, v.Value)
					}
				}
				seeds = append(seeds, y)
			}
			at = append(at, x...)
			p.mean(x, seeds, m.color, topP != 1)
		}
		p.key = append(p.key, key{label: m.name, color: m.color})
	}
	p.x = settings(at, false)
	return p
}

// spread draws a thin line for each of several seeds' values at x, their range and their mean.
func (p *panel) spread(x []float64, seeds [][]float64, c color.NRGBA, dashed bool) (mean, lo, hi []float64) {
	lo, hi = make([]float64, len(x)), make([]float64, len(x))
	for i := range x {
		var at []float64
		for _, s := range seeds {
			at = append(at, s[i])
		}
		lo[i], hi[i] = extremes(at)
	}
	p.band(x, lo, hi, color.NRGBA{c.R, c.G, c.B, 36})
	for _, s := range seeds {
		p.line(series{x, s}, color.NRGBA{c.R, c.G, c.B, 150}, 0.9, dashed)
	}
	return p.mean(x, seeds, c, dashed), lo, hi
}

// mean draws the mean of several seeds' values at x.
func (p *panel) mean(x []float64, seeds [][]float64, c color.NRGBA, dashed bool) []float64 {
	mean := make([]float64, len(x))
	for i := range x {
		for _, s := range seeds {
			mean[i] += s[i] / float64(len(seeds))
		}
	}
	if len(seeds) > 0 {
		p.line(series{x, mean}, c, 2.8, dashed)
	}
	return mean
}

// Summaries draws what summaries in its data do to a preference model: the accuracy of models of
// one kind of comparison, of the other and of both, on either (Bai et al. 2022, figure 20). A dot is a seed, a bar their mean.
func Summaries(mixes []study.SummaryMix) {
	p := &panel{title: "Ranked right, by what the preference model was trained on", xLabel: "share of fresh pairs; dashed: what the labels' noise leaves attainable", empty: "no preference models"}
	kinds := []struct {
		name  string
		color color.NRGBA
		of    func(study.SummaryMix) rlhf.Accuracy
	}{
		{"summaries · own model", green, func(m study.SummaryMix) rlhf.Accuracy { return m.SummaryOnItself }},
		{"summaries · joint model", blue, func(m study.SummaryMix) rlhf.Accuracy { return m.BothOnSummary }},
		{"summaries · model of the rest", dim, func(m study.SummaryMix) rlhf.Accuracy { return m.HHOnSummary }},
		{"the rest · own model", green, func(m study.SummaryMix) rlhf.Accuracy { return m.HHOnHH }},
		{"the rest · joint model", blue, func(m study.SummaryMix) rlhf.Accuracy { return m.BothOnHH }},
		{"the rest · model of summaries", dim, func(m study.SummaryMix) rlhf.Accuracy { return m.SummaryOnHH }},
	}
	n := len(kinds)
	p.y = fixed(-0.6, float64(n)-0.4)
	p.leftMargin = 190
	rows := [][]string{{"pairs · model", "ranked right", "seeds"}}
	lowest := 0.5
	for i, k := range kinds {
		y := float64(n - 1 - i)
		p.categories = append([]string{k.name}, p.categories...)
		var mean, right float64
		var each []string
		for _, m := range mixes {
			v := k.of(m).Value
			mean += v / float64(len(mixes))
			each = append(each, fmt.Sprintf("%.3f", v))
			right, lowest = max(right, v), min(lowest, v-0.01)
		}
		if len(mixes) == 0 {
			continue
		}
		p.rect(min(0.5, mean), y-0.26, max(0.5, mean), y+0.26, color.NRGBA{k.color.R, k.color.G, k.color.B, 90})
		for _, m := range mixes {
			p.dots(series{[]float64{k.of(m).Value}, []float64{y}}, []color.NRGBA{k.color}, []float64{4.5})
		}
		p.note(right, y, 16, 5, fmt.Sprintf("%.2f", mean), ink)
		rows = append(rows, []string{k.name, fmt.Sprintf("%.3f", mean), fmt.Sprint(each)})
	}
	p.x = fixed(lowest, 1.02)
	for i, bound := range []func(study.SummaryMix) float64{func(m study.SummaryMix) float64 { return m.BayesSummary }, func(m study.SummaryMix) float64 { return m.BayesHH }} {
		var mean float64
		for _, m := range mixes {
			mean += bound(m) / float64(len(mixes))
		}
		if y := float64(n/2*(1-i)) - 0.5; mean > 0 {
			p.segment(mean, y, mean, y+float64(n/2), dim, 1.6, true)
		}
	}
	c := grid(p)
	c.caption = "Figure 20 of the paper, 52B: summaries .79 alone and together, the rest .72 and .72. Bars start at a coin's 0.5."
	c.text = "summaries in the preference model's data\n" + columns(rows)
	show(c.output(""))
}
