package report

import (
	"fmt"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/tasks"
)

// figures draw a section's pictures, by its name.
var figures = map[string]func(*study.Study) error{
	"ood":          figure(study.OutOfDistribution, show.OOD),
	"redteam":      figure(study.RedTeamView, show.RedTeam),
	"models":       figure(study.Models, show.MainLine),
	"preferences":  figure(study.PreferenceModels, preferences),
	"robustness":   figure(study.Robustness, robustness),
	"objectives":   figure(study.CompetingObjectives, objectives),
	"ratings":      figure(study.Ratings, ratings),
	"online":       figure(study.Online, iterated),
	"writers":      figure(study.Writers, writers),
	"capabilities": figure(study.Capabilities, capabilities),
	"honesty":      figure(study.Honesty, honesty),
	"skills": figure(study.SpecialisedSkills, func(s study.Skills) {
		show.Programs(s)
		show.Summaries(s.Summaries)
	}),
}

// figure draws what a section has measured.
func figure[R any](measure func(*study.Study) (R, error), draw func(R)) func(*study.Study) error {
	return func(st *study.Study) error {
		r, err := measure(st)
		if err == nil {
			draw(r)
		}
		return err
	}
}

// draw returns a section's pictures.
func draw(section string, st *study.Study) ([]show.Picture, error) {
	f, ok := figures[section]
	if !ok {
		return nil, nil
	}
	var failed error
	pictures, err := show.Capture(func() { failed = f(st) })
	if failed != nil {
		return nil, failed
	}
	return pictures, err
}

func preferences(p study.Preferences) {
	var points []eval.ScalingPoint
	for _, q := range p.Points {
		points = append(points, q.ScalingPoint)
	}
	fit, err := p.Fit()
	if err != nil {
		fit = eval.ScalingFit{} // no line is drawn
	}
	show.Scaling(points, fit)
	pms := func(name string, es []rlhf.PMEval) (out []show.PM) {
		for _, e := range es[:min(1, len(es))] {
			out = append(out, show.PM{Name: name, Eval: e})
		}
		return out
	}
	both := append(pms("helpful only", p.Helpful), pms("helpful and harmless", p.HH)...)
	show.Calibration(both...)
	show.Thresholds(both...)
}

func robustness(r study.Robust) {
	show.Robustness(r)
	show.Laws(r)
	show.Overoptimised(r)
}

func objectives(o study.Objectives) {
	show.Plane(o)
	show.Against("share of harmless comparisons", show.Sweeps(o.Mixes))
	show.Against("share of harmless comparisons", show.Sweeps(o.Mixes), show.OfBest)
	show.Against("λ, weight of the harmless loss", show.Sweeps(o.Weights), show.LogX)
}

func capabilities(r study.CapabilitiesResult) {
	show.Tax(r)
	var asked []show.Asked
	var choices []tasks.Result
	for _, t := range r.Real {
		asked = append(asked, show.Asked{Name: fmt.Sprintf("%d examples", t.Shots), Result: t.Result})
		if t.Kind == tasks.Choice && t.Shots == 0 {
			choices = append(choices, t.Result)
		}
	}
	if len(asked) > 0 {
		show.Tasks("A published model on the public tests", asked...)
		show.Norms("The same answers, scored in five ways", choices...)
	}
}

func honesty(r study.HonestyResult) {
	show.Truth(r)
	show.Tone(r)
	if r.Real != (study.RealHonesty{}) {
		show.Published(r.Real)
	}
}
func ratings(r study.Rated) {
	show.Ratings(r)
	show.CalibrationCourse(r)
	if len(r.Seeds) > 0 {
		show.Agreement(r.Seeds[0].Agreement)
	}
}

func iterated(it study.Iterated) {
	var last []online.Report
	for _, s := range it.Seeds {
		last = append(last, s.Reports[len(s.Reports)-1])
	}
	show.FourMeasures(last...)
	show.MeanLogP(it)
	if len(last) > 0 {
		show.Elo(last[0].Elo)
		show.Shift(last[0])
		show.Tranches(last...)
		show.HeadToHead(it.Seeds[0].Control)
	}
}

func writers(w study.Written) {
	var rankings []study.Beside
	for _, s := range w.Seeds {
		rankings = append(rankings, s.Beside)
	}
	show.Beside(rankings...)
}
