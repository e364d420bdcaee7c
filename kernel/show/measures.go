package show

import (
	"fmt"
	"image/color"
	"math"

	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/study"
)

// measures are those of figure 35.
var measures = []struct {
	label string
	color color.NRGBA
	gap   func(online.Predicted) online.Gap
}{
	{"naive: score", vermilion, func(p online.Predicted) online.Gap { return p.HeldOut }},
	{"mean score, crowd's data", orange, func(p online.Predicted) online.Gap { return p.Mean }},
	{"ranking, crowd's data", green, func(p online.Predicted) online.Gap { return p.Ranked }},
	{"the crowd", blue, func(p online.Predicted) online.Gap { return p.Crowd }},
}

// FourMeasures draws what the preference model of a round of the online loop predicts of its policies,
// in four ways from naive to what the crowd says, as Elo over the base model (Bai et al.
// 2022, figure 35). Reports of several loops, such as a study's seeds, are lines of one
// colour; their players must be the same.
func FourMeasures(reports ...online.Report) {
	rows := [][]string{{"loop", "policy", "naive", "mean score", "ranking", "crowd"}}
	p := &panel{title: "Four measures of each policy", xLabel: "policy", yLabel: "Elo over the base model", empty: "no measures"}
	most := 1
	for _, r := range reports {
		most = max(most, len(r.Predicted))
	}
	p.x = fixed(-0.4, float64(most)-0.6)
	p.x.marks = []tick{}
	for n, r := range reports {
		for i, q := range r.Predicted {
			if n == 0 {
				p.x.marks = append(p.x.marks, tick{float64(i), shorten(oneLine(q.Name), 12)})
			}
			row := []string{fmt.Sprint(n + 1), shorten(oneLine(q.Name), 26)}
			for _, m := range measures {
				g := m.gap(q)
				row = append(row, fmt.Sprintf("%s ± %.0f", signed(math.Round(g.Elo)), g.SE))
			}
			rows = append(rows, row)
		}
	}
	for k, m := range measures {
		var ms []measured
		for n, r := range reports {
			for i, q := range r.Predicted {
				g := m.gap(q)
				x := float64(i) + 0.05*(float64(k)-1.5)
				ms = append(ms, measured{n, x, g.Elo})
				if len(reports) == 1 {
					p.whisker(x, g.Elo-1.96*g.SE, g.Elo+1.96*g.SE, m.color)
				}
			}
		}
		p.bySeed(ms, m.color, false)
		p.key = append(p.key, key{label: m.label, color: m.color})
	}
	c := grid(p)
	c.caption = "Where the upper lines leave the lowest, the policy pleases its preference model more than people. Bars: 95 %."
	if len(reports) > 1 {
		c.caption = "Where the upper lines leave the lowest, the policy pleases its preference model more than people. One line a loop."
	}
	c.text = "four measures of each policy, Elo over the base model\n" + columns(rows)
	show(c.output(""))
}

// MeanLogP draws how often the last policy of a study's online loops finds the better response
// likelier, per token, along its training, beside the accuracy of its preference model (Bai et
// al. 2022, figure 34). One line a seed.
func MeanLogP(it study.Iterated) {
	p := &panel{title: "The better response is likelier, per token", xLabel: "steps of PPO", yLabel: "share of held-out pairs", empty: "no policies"}
	var ours, judge []measured
	var steps []float64
	rows := [][]string{{"seed", "steps", "mean log-p accuracy", "95 % interval", "preference model"}}
	for _, s := range it.Seeds {
		for _, l := range s.LogP {
			steps = append(steps, float64(l.Step))
			ours, judge = append(ours, measured{s.Seed, float64(l.Step), l.Accuracy.Value}), append(judge, measured{s.Seed, float64(l.Step), l.PM})
			rows = append(rows, []string{fmt.Sprint(s.Seed), fmt.Sprint(l.Step), fmt.Sprintf("%.3f", l.Accuracy.Value), fmt.Sprintf("%.3f to %.3f", l.Accuracy.Low, l.Accuracy.High), fmt.Sprintf("%.3f", l.PM)})
		}
	}
	p.x = settings(steps, false)
	p.bySeed(ours, blue, false)
	p.bySeed(judge, dim, true)
	p.key = []key{{label: "policy", color: blue}, {label: "its preference model", color: dim, dashed: true}}
	c := grid(p)
	c.caption = "Each line is one seed's loop, at its last round."
	c.text = "mean log-p accuracy\n" + columns(rows)
	show(c.output(""))
}
