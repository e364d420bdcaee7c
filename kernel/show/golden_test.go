package show_test

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"gonum.org/v1/plot/cmpimg"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/study"
)

var update = flag.Bool("update", false, "rewrite the golden pictures in testdata")

// pixelTolerance is the distance in colour that a pixel may have from the golden
// one: a rounding of anti-aliasing, no more. cmpimg compares pixel by pixel.
const pixelTolerance = 0.02

// pictures are the figures, each as a notebook would call for it.
var pictures = []struct {
	name string
	draw func()
}{
	{"lm", func() { show.History(newRun("lm", 450, 450, false)) }},
	{"lm_logx", func() { show.Loss(history("lm", 450, false), show.LogX) }},
	{"lm_tiny", func() { show.History(newRun("lm", 12, 12, false)) }},
	{"pm", func() { show.History(newRun("pm", 125, 125, false)) }},
	{"pm_scores", func() { show.Loss(pmHistory(125, false)) }},
	{"pm_lm", func() { show.Loss(pmHistory(125, true)) }},
	{"ppo", func() { show.History(newRun("ppo", 60, 60, false)) }},
	{"ppo_gold", func() { show.History(newRun("ppo", 60, 60, true)) }},
	{"ppo_start", func() { show.History(newRun("ppo", 0, 60, true)) }},
	{"ppo_one", func() { show.History(newRun("ppo", 1, 60, true)) }},
	{"ppo_target", func() { show.History(adaptive(60, 60)) }},
	{"pm_looks", func() { show.TrainPM(newJudge(60, 60), 4) }},
	{"sqrtkl", func() { show.SqrtKL(history("ppo", 150, true)) }},
	{"pmeval", func() { show.PMEval(pmEval()) }},
	{"pmeval_full", func() { show.PMEval(fullPMEval(1.04)) }},
	{"calibration", func() {
		show.Calibration(show.PM{Name: "helpful only", Eval: fullPMEval(1.02)}, show.PM{Name: "helpful and harmless", Eval: fullPMEval(1.35)})
	}},
	{"turns", func() {
		show.ByTurn(show.PM{Name: "3 M", Eval: fullPMEval(1.02)}, show.PM{Name: "0.2 M", Eval: lower(fullPMEval(1.35), 0.09)})
	}},
	{"thresholds", func() { show.Thresholds(show.PM{Name: "helpful", Eval: fullPMEval(1.02)}) }},
	{"margins", func() { show.Margins(judgedPairs(600)) }},
	{"tax", func() { show.Tax(capabilities()) }},
	{"tasks", func() { show.Tasks("A published model on the public tests", askedTasks()...) }},
	{"tasks_one", func() { show.Tasks("One task", askedTasks()[0]) }},
	{"norms", func() { show.Norms("Five ways to score the same answers", choiceResults()...) }},
	{"truth", func() { show.Truth(studyHonesty("")) }},
	{"tone", func() { show.Tone(studyHonesty("")) }},
	{"published", func() { show.Published(studyHonesty("group ").Real) }},
	{"published_none", func() { show.Published(study.RealHonesty{}) }},
	{"mainline", func() { show.MainLine(studyGrid()) }},
	{"ood", func() { show.OOD(ood()) }},
	{"detection", func() { show.Detection(detected("smollm2", 0, 1, 30, 0.78)) }},
	{"redteam", func() {
		r := attacks()
		r.Real = nil
		show.RedTeam(r)
	}},
	{"redteam_released", func() { show.RedTeam(study.RedTeam{Real: attacks().Real}) }},
	{"ratings", func() { show.Ratings(studyRated()) }},
	{"recovery", func() { show.Recovery(studyRated().Recovery) }},
	{"ratings_course", func() { show.CalibrationCourse(studyRated()) }},
	{"measures", func() { show.FourMeasures(studyIterated().Seeds[0].Reports...) }},
	{"meanlogp", func() { show.MeanLogP(studyIterated()) }},
	{"beside", func() { show.Beside(besideOf("policy"), besideOf("policy"), besideOf("policy")) }},
	{"programs", func() { show.Programs(studySkills()) }},
	{"summaries", func() { show.Summaries(studySkills().Summaries) }},
	{"robustness", func() { show.Robustness(studyRobust()) }},
	{"laws", func() { show.Laws(studyRobust()) }},
	{"overoptimised", func() { show.Overoptimised(studyRobust()) }},
	{"plane", func() { show.Plane(studyObjectives("")) }},
	{"scaling", func() {
		points := ladder()
		fit, err := eval.FitScaling(points)
		if err != nil {
			panic(err) // the fixture is wrong
		}
		show.Scaling(points, fit)
	}},
	{"mixes", func() { show.Against("share of harmless comparisons, %", []show.Sweep{mixes("3 M parameters", 0)}) }},
	{"mixes_sizes", func() {
		show.Against("share of harmless comparisons, %", []show.Sweep{mixes("0.2 M parameters", -0.08), mixes("3 M parameters", 0)})
	}},
	{"mixes_best", func() {
		show.Against("share of harmless comparisons, %", []show.Sweep{mixes("0.2 M parameters", -0.08), mixes("1 M parameters", -0.04), mixes("3 M parameters", 0)}, show.OfBest)
	}},
	{"weights", func() { show.Against("weight λ of the harmless loss", []show.Sweep{weights()}, show.LogX) }},
	{"climbs", func() { show.Climbs(climbs()...) }},
	{"climbs_score", func() { show.Climbs(show.Climb{Name: "best of k", Score: climbs()[0].Score}) }},
	{"distribution", func() { show.Distribution(beforeAfter()) }},
	{"verdicts", func() {
		ba := beforeAfter()
		show.Verdicts(show.Answers{Name: "no prompt", Samples: ba.Before}, show.Answers{Name: "behind the prompt", Samples: ba.After},
			show.Answers{Name: "distilled, no prompt", Samples: ba.After[1:]})
	}},
	{"shift", func() { show.Shift(onlineReports()[1]) }},
	{"tranches", func() { show.Tranches(onlineReports()...) }},
	{"elo", func() { show.Elo(onlineReports()[1].Elo) }},
	{"headtohead", func() { show.HeadToHead(onlineControl()) }},
	{"distill", func() { show.History(newRun("distill", 125, 125, false)) }},
	{"ladder", func() {
		show.Ladder("Loss falls with size", []show.Rung{
			{Name: "0.2M", Params: 196_608, Loss: 2.31, SE: 0.02},
			{Name: "1M", Params: 884_736, Loss: 1.97, SE: 0.02},
			{Name: "3M", Params: 3_145_728, Loss: 1.71, SE: 0.02},
		})
	}},
	{"overlay", func() {
		show.Overlay([]string{"objective/score", "objective/kl", "response/eos_rate", "response/distinct"}, pasts()...)
	}},
	{"tokens_rollout", func() { show.Tokens(batch(0), 0) }},
	{"tokens", func() { show.Tokens(batch(3), 0) }},
	{"tokens_many", func() { show.Tokens(longBatch(), 0) }},
	{"dots", func() {
		show.Lines("Two estimates of one KL", "exact KL, nats", "estimate, nats", []show.Series{
			{Name: "k1", X: []float64{1, 2, 3, 4}, Y: []float64{0.2, 2.6, 2.2, 5}},
			{Name: "k3", X: []float64{1, 2, 3, 4}, Y: []float64{1.1, 1.7, 3.3, 3.8}},
		}, show.Dots)
	}},
	{"lines", func() {
		show.Lines("KL for three penalties", "step", "KL, nats per response", []show.Series{
			{Name: "λ = 0", X: []float64{1, 2, 3, 4}, Y: []float64{0, 4, 12, 30}},
			{Name: "λ = 0.05", X: []float64{1, 2, 3, 4}, Y: []float64{0, 2, 5, 8}},
			{Name: "λ = 0.5", X: []float64{1, 2, 3, 4}, Y: []float64{0, 0.2, 0.4, 0.5}},
		})
	}},
}

func TestPictures(t *testing.T) {
	for _, p := range pictures {
		t.Run(p.name, func(t *testing.T) {
			got := picture(t, p.draw)
			golden := filepath.Join("testdata", p.name+".png")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v (run with -update to make it, and look at it)", err)
			}
			if same, err := cmpimg.EqualApprox("png", got, want, pixelTolerance); err != nil || !same {
				t.Errorf("differs from %s (err %v)", golden, err)
			}
		})
	}
}

// A picture of other data, and one with a single stroke in a colour further off
// than the tolerance, must not pass.
func TestPicturesNegative(t *testing.T) {
	one := picture(t, func() { show.Loss(history("lm", 40, false)) })
	points := history("lm", 40, false)
	points[20].Values["lm/loss"] += 0.1
	other := picture(t, func() { show.Loss(points) })
	if same, err := cmpimg.EqualApprox("png", one, other, pixelTolerance); err != nil || same {
		t.Errorf("a changed loss passes as the same picture (err %v)", err)
	}
	img, err := png.Decode(bytes.NewReader(one))
	if err != nil {
		t.Fatal(err)
	}
	shaded := image.NewRGBA(img.Bounds())
	for x := range img.Bounds().Dx() {
		for y := range img.Bounds().Dy() {
			shaded.Set(x, y, img.At(x, y))
		}
	}
	shaded.Set(5, 5, color.Gray{255 - 10*5}) // ten times 0.02 of white
	var buf bytes.Buffer
	if err := png.Encode(&buf, shaded); err != nil {
		t.Fatal(err)
	}
	if same, err := cmpimg.EqualApprox("png", one, buf.Bytes(), pixelTolerance); err != nil || same {
		t.Errorf("a pixel ten tolerances off passes (err %v)", err)
	}
}

// picture returns the one picture that draw shows, of frames of one place the last.
func picture(t *testing.T, draw func()) []byte {
	t.Helper()
	var got []byte
	place := ""
	show.Catch(t, func(s show.Shown) {
		if s.PNG == nil {
			return
		}
		if got != nil && (s.ID == "" || s.ID != place) {
			t.Error("more than one picture")
		}
		place = s.ID
		if s.Text == "" {
			t.Error("a picture without text")
		}
		cfg, err := png.DecodeConfig(bytes.NewReader(s.PNG))
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Width != 2*s.Width || cfg.Height != 2*s.Height {
			t.Errorf("%d×%d pixels shown at %d×%d, want twice the size", cfg.Width, cfg.Height, s.Width, s.Height)
		}
		got = s.PNG
	})
	draw()
	if got == nil {
		t.Fatal("no picture")
	}
	return got
}

var _ rlhf.Run = (*run)(nil)
