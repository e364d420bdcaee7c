package show

import (
	"fmt"
	"image/color"
	"math"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

func (d *dashboard) pm(points []rlhf.Point, of int) []*panel {
	loss := d.panel("Preference model: loss", "nats per pair", of, span(0, 0.8))
	loss.level(math.Ln2, dim, true)
	loss.trend(values(points, "pm/loss"), of, "loss", blue)
	acc := d.panel("Accuracy in training", "share of pairs ranked right", of, fixed(0, 1))
	acc.level(0.5, dim, true)
	acc.trend(values(points, "pm/accuracy"), of, "accuracy", vermilion)
	for _, p := range []*panel{loss, acc} {
		p.key = append(p.key, key{label: "coin flip", color: dim, dashed: true})
	}
	chosen, rejected := values(points, "pm/chosen"), values(points, "pm/rejected")
	scores := d.panel("Mean scores", "PM score", of, axis{})
	scores.trend(chosen, of, "chosen", blue)
	scores.trend(rejected, of, "rejected", vermilion)
	scores.key = []key{{label: "chosen", color: blue}, {label: "rejected", color: vermilion}}
	fourth := d.pmFourth(points, of)
	for _, p := range []*panel{scores, fourth} {
		if len(points) > 0 {
			p.empty = "not recorded by this run"
		}
	}
	return d.keep(loss, acc, scores, fourth)
}

// pmFourth is the last panel of a preference model: the language-model loss where
// it is trained on too, the margin otherwise.
func (d *dashboard) pmFourth(points []rlhf.Point, of int) *panel {
	if lm := values(points, "pm/lm_loss"); len(lm.x) > 0 {
		p := d.panel("Loss as a language model", "nats per token of the chosen", of, axis{})
		p.trend(lm, of, "loss", green)
		return p
	}
	p := d.panel("Margin", "score of chosen − rejected", of, span(0, 0.5))
	p.trend(values(points, "pm/margin"), of, "margin", green)
	return p
}

// judged are the panels of the held-out comparisons: whether the confidence of the
// model is deserved, and how its scores are distributed.
func (d *dashboard) judged(r record) ([]*panel, string) {
	const waiting = "waiting for the first look at held-out comparisons"
	cal := d.free("Calibration, held-out", calibrationX, calibrationY, span(0, 1), span(0.5, 1))
	scores := d.free("Scores, held-out", "PM score", "share of responses", axis{}, span(0, 0.2))
	cal.empty, scores.empty = waiting, waiting
	e, err := eval.PM(r.judged)
	if len(r.judged) == 0 || err != nil {
		return d.keep(cal, scores), ""
	}
	calibrate(cal, []PM{{Eval: e}})
	chosen, rejected := Values{Name: "chosen"}, Values{Name: "rejected"}
	for _, j := range r.judged {
		chosen.X, rejected.X = append(chosen.X, j.Chosen), append(rejected.X, j.Rejected)
	}
	scores.bars(24, []Values{chosen, rejected}, []color.NRGBA{blue, vermilion})
	text := fmt.Sprintf("%d held-out comparisons at step %d: ranked right %.3f, %s\n", e.All.N, r.judgedAt, e.All.Value, verdict(e))
	return d.keep(cal, scores), text
}
