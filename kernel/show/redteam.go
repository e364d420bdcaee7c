package show

import (
	"fmt"
	"image/color"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

// RedTeam draws attacks on policies attempt by attempt: how many succeed, how many
// conversations have been broken by then, how harmful the continuations are to a preference
// model, and which topics gave in; then the released conversations by turn, if they are there.
func RedTeam(r study.RedTeam) {
	colours := map[string]color.NRGBA{study.KindBase: dim, string(study.HH): blue, string(study.Helpful): vermilion}
	names := map[string]string{study.KindBase: "language model", string(study.HH): "HH", string(study.Helpful): "helpful only"}
	attempts := func(title, y string) *panel {
		return &panel{title: title, xLabel: "attempt", yLabel: y, x: fixed(0.7, study.Attempts+0.3), empty: "no attacks"}
	}
	success, broken, harm := attempts("Attempts that succeed", "share"), attempts("Conversations broken by now", "share"), attempts("Harmfulness of the answers", "minus the harmless model's score")
	success.y, broken.y = fixed(0, 1), fixed(0, 1)
	topics := &panel{title: "Attempts that succeed, by topic", xLabel: "share of attempts", x: fixed(0, 1), empty: "no attacks"}
	rows := [][]string{{"policy", "seed", "attempt", "succeed", "95 % interval", "broken by now", "harmfulness", "gold"}}
	byTopic := map[string]map[string][]float64{}
	var order []string
	keyed := map[string]bool{}
	for _, a := range r.Attacks {
		c := colours[a.Policy]
		if !keyed[a.Policy] {
			keyed[a.Policy] = true
			success.key = append(success.key, key{label: names[a.Policy], color: c})
		}
		var s, b, h series
		for i, x := range a.Attempts {
			at := float64(i+1) + 0.05*float64(a.Seed-2) // beside each other
			s.x, s.y = append(s.x, at), append(s.y, x.Success.Value)
			b.x, b.y = append(b.x, at), append(b.y, a.Broken[i].Value)
			h.x, h.y = append(h.x, at), append(h.y, x.Mean)
			success.whisker(at, x.Success.Low, x.Success.High, faint(c, 0.5))
			broken.whisker(at, a.Broken[i].Low, a.Broken[i].High, faint(c, 0.5))
			harm.whisker(at, x.Ninth[0], x.Ninth[8], faint(c, 0.35))
			rows = append(rows, []string{names[a.Policy], fmt.Sprint(a.Seed), fmt.Sprint(i + 1), decimals(x.Success.Value), decimals(x.Success.Low) + " to " + decimals(x.Success.High),
				decimals(a.Broken[i].Value), fmt.Sprintf("%s ± %.2f", decimals(x.Mean), x.SE), decimals(x.Gold)})
		}
		success.line(s, c, 2, false)
		broken.line(b, c, 2, false)
		harm.line(h, c, 2, false)
		for _, t := range a.Topics {
			if byTopic[t.Name] == nil {
				byTopic[t.Name] = map[string][]float64{}
				order = append(order, t.Name)
			}
			byTopic[t.Name][a.Policy] = append(byTopic[t.Name][a.Policy], t.Success.Value)
		}
	}
	topics.y = fixed(-0.6, max(float64(len(order))-0.4, 0.4))
	topics.leftMargin = leftMargin
	for i, name := range order {
		topics.categories = append(topics.categories, shorten(clean(name), 24))
		topics.leftMargin = max(topics.leftMargin, lettering(tickSize, false, ink).Width(shorten(clean(name), 24))+14)
		for policy, values := range byTopic[name] {
			for _, v := range values {
				topics.dots(series{[]float64{v}, []float64{float64(i)}}, []color.NRGBA{faint(colours[policy], 0.8)}, []float64{5})
			}
		}
	}
	panels := []*panel{success, broken, harm, topics}
	c := grid(panels...)
	c.caption = "One line a seed. Bars: 95 % Wilson intervals over conversations; of harmfulness the middle 80 % of answers."
	c.text = "attacks, attempt by attempt\n" + columns(rows)
	if len(r.Attacks) > 0 {
		show(c.output(""))
	}
	if len(r.Real) > 0 {
		show(releasedHarm(r.Real).output(""))
	}
}

// releasedHarm draws the two responses of the released red-team conversations by turn.
func releasedHarm(turns []study.TurnHarm) *card {
	p := &panel{title: "Released conversations: harmfulness by turn", xLabel: "turn; 5 and later together", yLabel: "minus a bag of words' score", x: fixed(0.7, study.Attempts+1.3), empty: "none"}
	rows := [][]string{{"response", "turn", "n", "mean", "10 %", "90 %"}}
	for _, side := range []struct {
		name  string
		color color.NRGBA
		shift float64
		of    func(study.TurnHarm) study.Harm
	}{{"called more harmful", vermilion, 0.05, func(t study.TurnHarm) study.Harm { return t.Worse }}, {"the other", blue, -0.05, func(t study.TurnHarm) study.Harm { return t.Better }}} {
		var s series
		for _, t := range turns {
			at, h := float64(t.Turn)+side.shift, side.of(t)
			s.x, s.y = append(s.x, at), append(s.y, h.Mean)
			p.whisker(at, h.Mean-eval.Z95*h.SE, h.Mean+eval.Z95*h.SE, side.color)
			rows = append(rows, []string{side.name, fmt.Sprint(t.Turn), fmt.Sprint(h.N), fmt.Sprintf("%s ± %.2f", decimals(h.Mean), h.SE), decimals(h.Ninth[0]), decimals(h.Ninth[8])})
		}
		p.line(s, side.color, 2.2, false)
		p.key = append(p.key, key{label: side.name, color: side.color})
	}
	c := grid(p)
	c.caption = "Bars: 95 % intervals of the mean."
	c.text = "released red-team conversations, by turn\n" + columns(rows)
	return c
}
