package show

import "hhrlhf/rlhf"

// direct is the figure of a policy that learns from comparisons by a loss of the engine's own.
func (d *dashboard) direct(points []rlhf.Point, of int) []*panel {
	loss := d.panel("Direct training: loss", "per pair", of, axis{})
	loss.trend(values(points, "direct/loss"), of, "loss", blue)
	acc := d.panel("Accuracy in training", "share of pairs ranked right", of, fixed(0, 1))
	acc.level(0.5, dim, true)
	acc.trend(values(points, "direct/accuracy"), of, "accuracy", vermilion)
	acc.key = append(acc.key, key{label: "coin flip", color: dim, dashed: true})
	rewards := d.panel("Implicit rewards, β(log π − log π₀)", "nats", of, axis{})
	rewards.level(0, dim, true)
	rewards.trend(values(points, "direct/chosen"), of, "chosen", blue)
	rewards.trend(values(points, "direct/rejected"), of, "rejected", vermilion)
	rewards.key = []key{{label: "chosen", color: blue}, {label: "rejected", color: vermilion}}
	margin := d.panel("Margin: chosen − rejected", "nats", of, axis{})
	margin.level(0, dim, true)
	margin.trend(values(points, "direct/margin"), of, "margin", blue)
	return d.keep(loss, acc, rewards, margin)
}
