package show

import (
	"fmt"
	"image/color"

	"hhrlhf/rlhf"
)

// The panels of reinforcement learning: the reward, what it cost, one against the other,
// how the responses are built, how their scores are spread, and the truth.
func (d *dashboard) ppo(r record, of int) []*panel {
	points := r.points
	score := d.panel("Score of the preference model", "PM score", of, axis{})
	mean, std := values(points, "objective/score"), values(points, "objective/score_std")
	if len(mean.x) == len(std.x) {
		lo, hi := make([]float64, len(mean.x)), make([]float64, len(mean.x))
		for i := range mean.x {
			lo[i], hi[i] = mean.y[i]-std.y[i], mean.y[i]+std.y[i]
		}
		score.band(mean.x, lo, hi, faint(blue, 0.18))
		score.key = append(score.key, key{label: "± 1 s.d. of samples", color: faint(blue, 0.18), box: true})
	}
	score.line(mean, blue, 2.8, false)
	score.key = append([]key{{label: "mean of the batch", color: blue}}, score.key...)

	return d.keep(score, d.klPanel(points, of), sqrtKLPanel(d, points, of), d.lengthPanel(points, of), d.scoresPanel(r.written), d.sixth(points, of))
}

// targetBand is how far from its target, as a share of it, the divergence may lie while
// an adaptive penalty still answers in proportion; beyond, it moves as fast as it
// can (Ziegler et al. 2019, section 2.2).
const targetBand = 0.2

// klPanel draws the divergence. Where the penalty is adaptive, it has the band about the
// target behind it, and the coefficient on the right.
func (d *dashboard) klPanel(points []rlhf.Point, of int) *panel {
	kl := d.panel("Distance from the initial policy", "KL, nats per response", of, span(0, 1))
	var keys []key
	if d.target > 0 {
		kl.stripe((1-targetBand)*d.target, (1+targetBand)*d.target, faint(green, 0.22))
		keys = append(keys, key{label: fmt.Sprintf("target %s ± %.0f %%", number(d.target), 100*targetBand), color: faint(green, 0.22), box: true})
		coef := values(points, "objective/kl_coef")
		right := span(0, 0.1)
		if len(coef.y) > 0 && coef.y[0] > 0 {
			right = span(0, 2*coef.y[0])
		}
		if old, ok := d.axes[kl.title+" right"]; ok && len(points) > 1 {
			right = old
		}
		kl.right, kl.rightLabel, kl.rightColor = &right, "λ, score per nat", ink
		kl.lineRight(coef, ink, 1.8, true)
		keys = append(keys, key{label: "λ (right)", color: ink, dashed: true})
	}
	kl.line(values(points, "objective/kl_k3"), orange, 1.8, true)
	kl.line(values(points, "objective/kl"), vermilion, 2.8, false)
	kl.key = []key{{label: "KL (k1, in the reward)", color: vermilion}}
	if d.target > 0 {
		kl.key[0].label = "KL" // the line is long enough
	}
	if len(values(points, "objective/kl_k3").x) > 0 {
		kl.key = append(kl.key, key{label: "k3", color: orange, dashed: true})
	}
	kl.key = append(kl.key, keys...)
	return kl
}

func (d *dashboard) lengthPanel(points []rlhf.Point, of int) *panel {
	p := d.panel("Length and ending", "tokens per response", of, span(0, 10))
	right := fixed(0, 1)
	p.right, p.rightLabel, p.rightColor = &right, "share that end themselves", vermilion
	p.line(values(points, "response/length_mean"), blue, 2.8, false)
	p.lineRight(values(points, "response/eos_rate"), vermilion, 2.2, true)
	p.key = []key{{label: "length", color: blue}, {label: "ended (right)", color: vermilion, dashed: true}}
	return p
}

// At most mostScores responses make a histogram, and at least fewestScores.
const mostScores, fewestScores = 64, 16

// scoresPanel sets the scores of the newest responses beside those of the first. A mean that
// rises because a few score very high looks different from one that rises because all do.
func (d *dashboard) scoresPanel(written []rlhf.Sample) *panel {
	p := d.free("Scores of single responses, by steps", "PM score", "share of responses", axis{}, span(0, 0.4))
	p.empty = fmt.Sprintf("waiting for %d responses", 2*fewestScores)
	n := min(mostScores, len(written)/2)
	if n < fewestScores {
		return p
	}
	var groups []Values
	for _, part := range [][]rlhf.Sample{written[:n], written[len(written)-n:]} {
		g := Values{Name: fmt.Sprintf("%d–%d", part[0].Step, part[n-1].Step)}
		for _, s := range part {
			g.X = append(g.X, s.Score)
		}
		groups = append(groups, g)
	}
	p.bars(12, groups, []color.NRGBA{dim, blue})
	return p
}

// sixth is the last panel: the gold labels where the data have them, and the
// entropy of the policy where they do not.
func (d *dashboard) sixth(points []rlhf.Point, of int) *panel {
	helpful, harmless := values(points, "objective/gold_helpful"), values(points, "objective/gold_harmless")
	if len(points) > 0 && len(helpful.x)+len(harmless.x) == 0 {
		p := d.panel("Entropy of the policy", "nats per token", of, span(0, 1))
		p.line(values(points, "policy/entropy"), green, 2.8, false)
		p.empty = "not recorded by this run"
		return p
	}
	p := d.panel("What the true labeller says", "gold label, −1 to 1", of, fixed(-1, 1))
	p.level(0, dim, true)
	p.line(helpful, green, 2.8, false)
	p.line(harmless, purple, 2.8, false)
	p.key = []key{{label: "helpful", color: green}, {label: "harmless", color: purple}}
	return p
}
