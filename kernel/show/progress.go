package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hhrlhf/rlhf"
)

// status is the line of progress.
func (s *state) status() string {
	parts := []string{fmt.Sprintf("%s · step %d of %d", oneLine(s.run), s.step, s.of)}
	switch {
	case s.err != nil:
		parts = append(parts, "stopped: "+oneLine(s.err.Error()))
	case s.done && s.watching && s.step < s.of:
		parts = append(parts, "stands still; show.Train trains on")
	case s.done && s.seen == 0:
		parts = append(parts, "trained already")
	case s.done && s.step < s.of: // of a run that was watched only
		parts = append(parts, "stands still")
	case s.done:
		parts = append(parts, "done")
	case s.message != "":
		parts = append(parts, oneLine(s.message))
	case s.left > 0:
		parts = append(parts, clock(s.left)+" left")
	}
	if t := s.pace(); t > 0 {
		parts = append(parts, number(t)+" s/step")
	}
	if n := len(s.points); n > 0 {
		last := s.points[n-1].Values
		for _, m := range []struct{ name, say string }{
			{"lm/loss", "loss %s nats/token"}, {"distill/kl", "KL %s nats/token"}, {"direct/loss", "loss %s"}, {"direct/accuracy", "accuracy %s"}, {"pm/loss", "loss %s nats"}, {"pm/accuracy", "accuracy %s"}, {"pm/lm_loss", "LM loss %s nats/token"},
			{"objective/score", "score %s"}, {"objective/kl", "KL %s nats"},
			{"response/length_mean", "length %s tokens"}, {"response/eos_rate", "ended themselves %s"},
		} {
			if v, ok := last[m.name]; ok {
				parts = append(parts, fmt.Sprintf(m.say, number(v)))
			}
		}
		if bad := notFinite(last); bad != "" {
			parts = append(parts, "NOT FINITE: "+bad)
		}
	}
	return strings.Join(parts, " · ")
}

// notFinite names the metrics that are no number, in order of the glossary.
func notFinite(values map[string]float64) string {
	var bad []string
	for _, t := range rlhf.Glossary() {
		if v, ok := values[t.Name]; ok && !finite(v) {
			bad = append(bad, t.Name)
		}
	}
	return strings.Join(bad, ", ")
}

// pace is the median time of the latest steps in seconds: the median, because
// the first step of a program carries its compilation.
func (s *state) pace() float64 {
	t := values(s.points, "time/step").y
	t = slices.Clone(t[max(0, len(t)-9):])
	t = slices.DeleteFunc(t, func(v float64) bool { return !finite(v) })
	if len(t) == 0 {
		return 0
	}
	slices.Sort(t)
	return t[len(t)/2]
}

// clock writes a duration as minutes and seconds, or hours and minutes.
func clock(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// below is the progress and the samples as HTML. Its height does not depend on
// the samples, so that the page below it stays put while they change.
func (s *state) below() string {
	var b strings.Builder
	share := 0.0
	if s.of > 0 {
		share = min(max(float64(s.step)/float64(s.of), 0), 1)
	}
	barColor := blue
	if s.err != nil {
		barColor = vermilion
	}
	fmt.Fprintf(&b, `<div style="width:100%%;max-width:%dpx;height:6px;background-color:rgba(128,128,128,0.3)"><div style="width:%.1f%%;height:6px;background-color:%s"></div></div>`,
		cardWidth, 100*share, hex(barColor))
	fmt.Fprintf(&b, `<div style="font-size:15px;margin:4px 0">%s</div>`, escape(s.status()))
	if s.kind == "ppo" {
		shown := slices.Clone(s.samples[:min(samplesShown, len(s.samples))])
		for i := range shown {
			shown[i].Prompt, shown[i].Response = shorten(clean(shown[i].Prompt), 200), shorten(clean(shown[i].Response), 200)
		}
		fmt.Fprintf(&b, `<div style="height:260px;overflow:auto">%s</div>`, sampleTable("Newest samples", shown).html())
	}
	return b.String()
}
