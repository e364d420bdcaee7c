package show_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/study"
	"hhrlhf/rlhf/tasks"
)

// hostile is a text as a model, or a guest, might write it: HTML, Markdown, formulas,
// what is no UTF-8, terminal codes, and marks that turn the direction of what follows.
const hostile = " <script>alert(1)</script> <img src=x onerror=y> </td></table><style>*{display:none}</style> <svg onload=z> &lt;b&gt; " +
	"**bold** [x](javascript:alert(2)) `code` $5 and $6 \\(x\\) \xff\xfe \x1b[31m\x1b]0;t\x07 \u202egnp\u2067 "

// endless is a megabyte without a space.
var endless = strings.Repeat("x", 1<<20)

// public are all functions of the package, each called with s wherever a text of somebody
// else's can come in. A function that is new belongs here.
var public = map[string]func(s string){
	"Against": func(s string) {
		show.Against(s, []show.Sweep{{Name: s, X: []float64{1, 2}, Evals: []rlhf.PMEval{pmEvalOf(s), pmEvalOf(s)}}})
	},
	"Agreement":         func(s string) { show.Agreement([]eval.Agreed{{A: s, B: "b" + s, Share: accuracyOf(s, 9, 0.5)}}) },
	"Aliases":           func(s string) { show.Aliases(s) },
	"Beside":            func(s string) { show.Beside(besideOf(s)) },
	"BestOf":            func(s string) { show.BestOf(&chooser{}, s, []string{promptOf(s)}, 2, rlhf.Sampling{}) },
	"ByTurn":            func(s string) { show.ByTurn(show.PM{Name: s, Eval: pmEvalOf(s)}, show.PM{Eval: pmEvalOf(s)}) },
	"Calibration":       func(s string) { show.Calibration(show.PM{Name: s, Eval: pmEvalOf(s)}) },
	"CalibrationCourse": func(s string) { show.CalibrationCourse(studyRated()) }, // no text of anybody else's
	"Choices":           func(s string) { show.Choices([]rlhf.Choice{rlhf.Choose(promptOf(s), []rlhf.Sample{sampleOf(s)})}, 1) },
	"Climbs":            func(s string) { show.Climbs(show.Climb{Name: s, Score: climbs()[0].Score, Gold: climbs()[0].Gold}) },
	"Coloured":          func(s string) { show.Coloured(batchOf(s), 2, show.ByKL) },
	"Compare": func(s string) {
		show.Compare(rlhf.BeforeAfter{Before: []rlhf.Sample{sampleOf(s)}, After: []rlhf.Sample{sampleOf(s)}, Rows: []rlhf.Change{{Name: s}}}, 1)
	},
	"Comparisons": func(s string) { show.Comparisons(comparisonsOf(s), 9) },
	"Curve":       func(s string) { show.Lines(s, s, s, []show.Series{show.Curve(s, history("lm", 3, false), "lm/loss")}) },
	"Data": func(s string) {
		show.Data(rlhf.DataInfo{Name: s, Read: 2, SHA256: s, Odd: []rlhf.Odd{{Reason: s, Where: []string{s}}}})
	},
	"Detection": func(s string) {
		m := detected(s, 0, 1, 3, 0.7)
		m.Model = s
		show.Detection(m)
	},
	"OOD": func(s string) {
		o := ood()
		o.Real.Model, o.Policies[0].Policy = s, s
		show.OOD(o)
	},
	"Recovery": func(s string) { show.Recovery(studyRated().Recovery) }, // numbers alone
	"RedTeam": func(s string) {
		r := attacks()
		r.Attacks[0].Policy, r.Attacks[0].Topics[0].Name, r.Attacks[0].Attempts[0].Name, r.Real[0].Worse.Name = s, s, s, s
		show.RedTeam(r)
	},
	"Diagnosis": func(s string) {
		show.Diagnosis([]rlhf.Finding{{Name: s, Saw: s, Try: []string{s, s}, Metrics: []string{s}}})
	},
	"Distribution": func(s string) { show.Distribution(beforeAfter()) },
	"Each":         func(s string) { show.Each([]*counted{{name: s, planned: 2}}) },
	"Elo":          func(s string) { show.Elo([]eval.Rating{{Name: s}, {Name: "b", Elo: 9, High: 12}}) },
	"FourMeasures": func(s string) {
		show.FourMeasures(online.Report{Predicted: []online.Predicted{{Name: s}, {Name: "b" + s}}})
	},
	"Glossary": func(s string) { show.Glossary(s, "objective/kl") },
	"Gold": func(s string) {
		show.Gold([]rlhf.Transcript{{Prompt: promptOf(s), Response: s}}, []rlhf.Gold{{Why: s}})
	},
	"HeadToHead": func(s string) {
		c := onlineControl()
		c.Base.Accuracy[0].Name, c.Won.Name = s, s
		show.HeadToHead(c)
	},
	"Histogram": func(s string) { show.Histogram(s, s, show.Values{Name: s, X: []float64{1, 2}}) },
	"History":   func(s string) { show.History(runOf(s, 3)) },
	"HowChosen": func(s string) {
		show.HowChosen(show.Choice{Prompt: promptOf(s), A: s, B: s, GoldA: rlhf.Gold{Why: s}, Formula: s})
	},
	"Judged": func(s string) {
		show.Judged([]eval.Judged{{Chosen: 1, Rejected: math.NaN(), Comparison: comparisonsOf(s)[0]}}, 1)
	},
	"Ladder": func(s string) {
		show.Ladder(s, []show.Rung{{Name: s, Params: 1e5, Loss: 2}, {Name: s, Params: 1e6, Loss: 1}})
	},
	"Claims": func(s string) {
		show.Claims([]study.Claim{{Section: s, Says: s, Paper: s, Ours: s, Wants: s, Why: s, Verdict: study.Verdict(s)}})
	},
	"Reported": func(s string) {
		dir, err := os.MkdirTemp("", "")
		if err == nil {
			defer os.RemoveAll(dir)
			err = os.WriteFile(filepath.Join(dir, "plan.json"), []byte(`{"data": "synth-small", "seeds": 1}`), 0o600)
		}
		if err != nil {
			panic(err)
		}
		show.Reported(dir, study.Models, show.MainLine)
	},
	"Capture": func(s string) {
		draw := func() { show.Histogram(s, s, show.Values{Name: s, X: []float64{1, 2}}) }
		if ps, err := show.Capture(draw); err != nil || len(ps) != 1 {
			panic(err)
		}
		draw()
	},
	"Norms": func(s string) {
		r := choiceResults()[0]
		r.Task, r.Norms = s, []tasks.Norm{tasks.Norm(s)}
		r.Accuracies = r.Accuracies[:1]
		show.Norms(s, r)
	},
	"Tasks": func(s string) {
		r := choiceResults()[0]
		r.Task = s
		show.Tasks(s, show.Asked{Name: s, Result: r})
	},
	"Tax": func(s string) {
		r := capabilities()
		for i := range r.World {
			r.World[i].Task, r.World[i].Policy = s, study.MainPolicy
		}
		show.Tax(r)
	},
	"Published":     func(s string) { show.Published(studyHonesty(s).Real) },
	"Tone":          func(s string) { show.Tone(studyHonesty(s)) },
	"Truth":         func(s string) { show.Truth(studyHonesty(s)) },
	"MainLine":      func(string) { show.MainLine(studyGrid()) },
	"Ledger":        func(s string) { show.Ledger(batchOf(s), 0) },
	"Lines":         func(s string) { show.Lines(s, s, s, []show.Series{{Name: s, X: []float64{1, 2}, Y: []float64{1, 2}}}) },
	"Live":          func(s string) { show.Live(eventsOf(s)) },
	"Loss":          func(s string) { show.Loss(history("ppo", 3, false)) },
	"Laws":          func(string) { show.Laws(studyRobust()) },
	"Overoptimised": func(string) { show.Overoptimised(studyRobust()) },
	"Plane":         func(s string) { show.Plane(studyObjectives(s)) },
	"Robustness":    func(string) { show.Robustness(studyRobust()) },
	"Sweeps":        func(s string) { show.Against(s, show.Sweeps(studyObjectives(s).Mixes)) },
	"Margins": func(s string) {
		show.Margins([]eval.Judged{{Chosen: 1, Comparison: comparisonsOf(s)[0]}})
	},
	"MeanLogP": func(s string) { show.MeanLogP(studyIterated()) }, // numbers alone
	"Next":     func(s string) { show.Next(tokensOf(s)) },
	"Note":     func(s string) { show.Note("a remark of the notebook's author") }, // who may write Markdown
	"Overlay": func(s string) {
		show.Overlay([]string{"objective/kl"}, show.Past{Name: s, Points: history("ppo", 3, false)}, show.Past{Name: "b" + s})
	},
	"PMEval":  func(s string) { show.PMEval(pmEvalOf(s)) },
	"PMTable": func(s string) { show.PMTable(pmEvalOf(s)) },
	"Progress": func(s string) {
		show.Progress(func(yield func(rlhf.Event, error) bool) {
			_ = yield(rlhf.Event{Run: s, Of: 2, Message: s}, nil) && yield(rlhf.Event{Run: "b" + s, Of: 2, Message: s}, nil)
		})
	},
	"Programs": func(string) { show.Programs(studySkills()) },
	"Ratings": func(s string) {
		r := studyRated()
		r.Seeds[0].Helpful[1].Name = s
		show.Ratings(r)
	},
	"Reading": func(s string) { show.Reading(tokensOf(s)) },
	"Run":     func(s string) { show.Run(&fakeLab{run: runOf(s, 3)}, s) },
	"Runs": func(s string) {
		show.Runs([]rlhf.RunInfo{{Name: s, Kind: s, Backend: s, Data: []rlhf.DataInfo{{Name: s}}}})
	},
	"Samples": func(s string) { show.Samples(batchOf(s), 2) },
	"SampleTable": func(s string) {
		show.SampleTable([]rlhf.Sample{sampleOf(s), {Prompt: s, Response: s}})
	},
	"Scaling": func(s string) { show.Scaling(ladder(), eval.PaperScaling) },
	"Shift": func(s string) {
		show.Shift(online.Report{Scores: []online.Scores{{Name: s, X: []float64{1, 2}}}})
	},
	"SqrtKL": func(s string) { show.SqrtKL(history("ppo", 3, false)) },
	"Status": func(s string) {
		show.Status(rlhf.Status{Name: s, Busy: s, Dir: s, Backend: s, Version: s, Line: []rlhf.Job{{Run: s, What: s, Client: s}}, Watchers: []rlhf.Watcher{{Run: s, Client: s}},
			Models: []rlhf.Loaded{{Name: s}}, Runs: []rlhf.RunState{{Name: s, Kind: s, State: s, Metric: s}}})
	},
	"Steps":     func(s string) { show.Steps(runOf(s, 1), 2) },
	"Summaries": func(string) { show.Summaries(studySkills().Summaries) },
	"Stream": func(s string) {
		show.Stream(s, func(yield func(string, error) bool) { yield(s, nil) })
	},
	"Table":      func(s string) { show.Table([]string{s}, [][]any{{s, 1.5, errors.New(s)}}) },
	"Text":       func(s string) { show.Text(s) },
	"Thresholds": func(s string) { show.Thresholds(show.PM{Name: s, Eval: pmEvalOf(s)}) },
	"Tokens":     func(s string) { show.Tokens(batchOf(s), 0) },
	"Train":      func(s string) { show.Train(runOf(s, 1)) },
	"Value": func(s string) {
		show.Value(s)
		show.Value([]any{s, map[string]string{s: s}, struct{ Text string }{s}, errors.New(s), []rlhf.Sample{sampleOf(s)}})
		show.Value([]rlhf.Sample{sampleOf(s)})
	},
	"TrainPM": func(s string) {
		j := newJudge(1, 3)
		j.name = s
		show.TrainPM(j, 1)
	},
	"Tranches": func(s string) { show.Tranches(online.Report{Accuracy: []rlhf.Accuracy{accuracyOf(s, 9, 0.5)}}) },
	"Transcripts": func(s string) {
		show.Transcripts([]rlhf.Transcript{{Prompt: promptOf(s), Response: s}}, 1)
	},
	"Verdicts": func(s string) { show.Verdicts(show.Answers{Name: s, Samples: []rlhf.Sample{sampleOf(s)}}) },
	"Watch": func(s string) {
		if err := show.Watch(func(yield func(rlhf.Event, error) bool) {
			_ = yield(rlhf.Event{Run: s, Kind: "ppo", Message: s, Samples: []rlhf.Sample{sampleOf(s)}}, nil) &&
				yield(rlhf.Event{}, errors.New(s))
		}); err == nil {
			panic("show.Watch lost the error")
		}
	},
}

func promptOf(s string) string { return rlhf.Human + s + rlhf.Assistant }

func sampleOf(s string) rlhf.Sample {
	return rlhf.Sample{Prompt: promptOf(s), Response: s, Score: 1, KL: 2, Gold: &rlhf.Gold{Why: s}}
}

func batchOf(s string) *rlhf.Batch {
	b := batch(3)
	b.Run, b.Prompts[0], b.Responses[0], b.Pieces[0][1], b.Gold[0].Why = s, promptOf(s), s, s, s
	return b
}

func runOf(s string, done int) *run {
	r := newRun("ppo", done, 3, false)
	r.name = s
	return r
}

func eventsOf(s string) func(func(rlhf.Event, error) bool) {
	return func(yield func(rlhf.Event, error) bool) {
		points := history("ppo", 1, true)
		yield(rlhf.Event{Run: s, Kind: "ppo", Step: 1, Of: 1, Message: s, Point: &points[0], Samples: []rlhf.Sample{sampleOf(s)}}, nil)
	}
}

func tokensOf(s string) []rlhf.Token {
	return []rlhf.Token{{Piece: s}, {Piece: s, LogP: -3, Rank: 2, Next: []rlhf.Guess{{Piece: s, LogP: -1}}}}
}

func pmEvalOf(s string) rlhf.PMEval {
	e := fullPMEval(1)
	e.Tranches[0].Name, e.Turns[0].Name, e.Notes, e.Words = s, s, []string{s}, &rlhf.Rival{}
	return e
}

func comparisonsOf(s string) []rlhf.Comparison {
	tr := rlhf.Transcript{Prompt: promptOf(s), Response: s}
	return []rlhf.Comparison{
		{Chosen: tr, Rejected: rlhf.Transcript{Prompt: s, Response: s}, Tranche: s},
		{Chosen: tr, Rejected: tr, Tranche: "harmless " + s, Source: s},
		{Chosen: rlhf.Transcript{Prompt: strings.Repeat(promptOf(s)+s, 5), Response: strings.Repeat(s, 3)}, Rejected: tr},
	}
}

// The table above has every function of the package that others can call.
func TestPublicIsComplete(t *testing.T) {
	files, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	var exported []string
	for _, f := range files["show"].Files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.IsExported() {
				exported = append(exported, fn.Name.Name)
			}
		}
	}
	slices.Sort(exported)
	for _, name := range exported {
		if public[name] == nil {
			t.Errorf("show.%s is not in the table of public functions: what it shows is not tested against hostile texts and untrusted copies", name)
		}
	}
	for name := range public {
		if !slices.Contains(exported, name) {
			t.Errorf("the table has show.%s, the package has not", name)
		}
	}
}

// Tags and attributes that the package itself writes; anything else came in.
var ownTag = regexp.MustCompile(`^</?(div|table|tr|th|td|b|span|br|details|summary)( title="[^"<>]*")?( style="[a-z0-9:;.,%#() -]*")?>$`)

// Whatever is written into a run, a sample or a name: every output has text to fall back
// on, its HTML is the package's own, and an untrusted copy of the notebook shows it whole.
func TestHostile(t *testing.T) {
	policy := untrusted(t)
	for _, name := range slices.Sorted(maps.Keys(public)) {
		t.Run(name, func(t *testing.T) {
			show.CatchExit(t, func(code int) { t.Errorf("it ended with exit code %d", code) })
			shown := catch(t, func() { public[name](hostile) })
			if len(shown) == 0 {
				t.Fatal("it shows nothing")
			}
			for _, s := range shown {
				carriers := 0
				for _, there := range []bool{s.PNG != nil, s.HTML != "", s.Markdown != ""} {
					if there {
						carriers++
					}
				}
				plain := name == "Value" && carriers == 0 // the result of a cell may be a line of text
				if carriers != 1 && !plain || strings.TrimSpace(s.Text) == "" {
					t.Errorf("%d carriers, and %q as text", carriers, s.Text)
				}
				for _, text := range []string{s.HTML, s.Text, s.Markdown} {
					if !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\x07\u202e\u2067") {
						t.Errorf("invalid UTF-8 or control characters in %.300q", text)
					}
				}
				for _, tag := range regexp.MustCompile(`<[^>]*>?`).FindAllString(s.HTML, -1) {
					if !ownTag.MatchString(tag) {
						t.Errorf("tag %q in %.300s", tag, s.HTML)
					}
				}
				for _, text := range regexp.MustCompile(`>[^<]*<`).FindAllString(s.HTML, -1) {
					if strings.Count(text, "$") > 1 || (strings.Contains(text, `\`) && len(text) > len(`>\<`)) {
						t.Errorf("a formula could start in %q", text)
					}
				}
				before, after := visibleParts(t, s.HTML), visibleParts(t, policy.Sanitize(s.HTML))
				for i := range before {
					if i >= len(after) || before[i] != after[i] {
						t.Errorf("an untrusted copy loses %q", before[i])
						break
					}
				}
			}
		})
	}
}

// A text that does not end makes the page neither too large to open nor too wide to read,
// and no picture takes for ever.
func TestEndless(t *testing.T) {
	const most = 500_000 // bytes; the largest show some twenty such texts
	for _, name := range slices.Sorted(maps.Keys(public)) {
		t.Run(name, func(t *testing.T) {
			show.CatchExit(t, func(code int) { t.Errorf("it ended with exit code %d", code) })
			for _, s := range catch(t, func() { public[name](endless) }) {
				if len(s.HTML) > most || len(s.Text) > most || len(s.PNG) > most {
					t.Errorf("%d bytes of HTML, %d of text, %d of PNG, want at most %d of each", len(s.HTML), len(s.Text), len(s.PNG), most)
				}
			}
		})
	}
}
