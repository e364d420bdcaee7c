package online_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/online"
	"hhrlhf/rlhf/synth"
)

func open(t *testing.T, l rlhf.Lab, c online.Config, o online.Options) *online.Loop {
	t.Helper()
	loop, err := online.Open(l, "loop", c, o)
	if err != nil {
		t.Fatal(err)
	}
	return loop
}

// finish trains a loop to its end and returns how many events there were.
func finish(t *testing.T, l *online.Loop) (events int) {
	t.Helper()
	for _, err := range l.Train() {
		if err != nil {
			t.Fatal(err)
		}
		events++
	}
	return events
}

// files are the contents of everything below a folder, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name := strings.TrimPrefix(path, dir)
		out[name] = strings.ReplaceAll(string(text), dir, "") // the path of the data is in configurations
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameFiles(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: %s differs", what, name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d files, want %d", what, len(got), len(want))
	}
}

// A loop that is broken off after any of its events, and finished by another process,
// leaves the files of one that ran straight, runs included; and what it does again
// after the interrupt is one part of one stage at most.
func TestInterruptAnywhere(t *testing.T) {
	c := small()
	c.Base, c.RS, c.Online, c.Trial, c.Control = 160, 70, 70, 30, 40
	straight := t.TempDir()
	l := newLab(straight)
	events := finish(t, open(t, l, c, online.Options{}))
	want, calls := files(t, straight), len(*l.calls)
	if events < 60 || len(want) < 40 {
		t.Fatalf("%d events, %d files: the straight loop did little", events, len(want))
	}
	for cut := 1; cut <= events; cut++ {
		dir := t.TempDir()
		first := newLab(dir)
		n := 0
		for _, err := range open(t, first, c, online.Options{}).Train() {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == cut {
				break
			}
		}
		second := newLab(dir)
		finish(t, open(t, second, c, online.Options{}))
		sameFiles(t, fmt.Sprintf("interrupted after event %d of %d", cut, events), files(t, dir), want)
		if got := len(*first.calls) + len(*second.calls); got != calls {
			t.Errorf("event %d: %d calls of the lab in both halves, %d in the straight loop", cut, got, calls)
		}
		if t.Failed() {
			return
		}
	}
}

// A process that is killed leaves torn lines, half a folder, and metrics of a step whose
// weights it did not save. The loop is finished as if nothing had happened.
func TestKilled(t *testing.T) {
	straight := t.TempDir()
	finish(t, open(t, newLab(straight), small(), online.Options{}))
	want := files(t, straight)
	for name, harm := range map[string]struct {
		when func(e rlhf.Event) bool
		do   func(l *lab, dir string)
	}{
		"a torn answer": {
			func(e rlhf.Event) bool { return strings.Contains(e.Message, "base answers for base: 128") },
			func(_ *lab, dir string) { tear(t, filepath.Join(dir, "answers/base/base.jsonl"), `{"prompt":"\n\nHum`) },
		},
		"half a part of answers": {
			func(e rlhf.Event) bool { return strings.Contains(e.Message, "base answers for base: 128") },
			func(_ *lab, dir string) {
				tear(t, filepath.Join(dir, "answers/base/base.jsonl"), `{"prompt":"x","response":"y"}`+"\n"+`{"prompt":"x","response":"z"}`+"\n{")
			},
		},
		"a torn verdict": {
			func(e rlhf.Event) bool { return strings.Contains(e.Message, "comparing rs: 64") },
			func(_ *lab, dir string) {
				tear(t, filepath.Join(dir, "verdicts/rs.jsonl"), `{"id":"rs:64","better":"a"}`+"\n"+`{"id`)
			},
		},
		"half a folder of data": {
			func(e rlhf.Event) bool { return strings.Contains(e.Message, "training loop-pm-1") },
			func(_ *lab, dir string) {
				if err := errors.Join(os.Rename(filepath.Join(dir, "data/pm-1"), filepath.Join(dir, "data/.tmp-pm-1")),
					os.Remove(filepath.Join(dir, "data/.tmp-pm-1/rs.jsonl")), os.Remove(filepath.Join(dir, "../../loop-pm-1.run"))); err != nil {
					t.Fatal(err)
				}
			},
		},
		"a step without its weights, at a snapshot": {
			func(e rlhf.Event) bool { return e.Run == "loop-ppo-1" && e.Step == 2 && e.Point != nil },
			func(l *lab, _ string) { unsave(t, l, "loop-ppo-1") },
		},
		"a step without its weights, at the plan": {
			func(e rlhf.Event) bool { return e.Run == "loop-pm-2" && e.Step == 3 && e.Point != nil },
			func(l *lab, _ string) { unsave(t, l, "loop-pm-2") },
		},
	} {
		dir := t.TempDir()
		l := newLab(dir)
		loop, harmed := open(t, l, small(), online.Options{}), false
		for e, err := range loop.Train() {
			if err != nil {
				t.Fatal(err)
			}
			if harmed = harm.when(e); harmed {
				break
			}
		}
		if !harmed {
			t.Fatalf("%s: the moment did not come", name)
		}
		harm.do(l, loop.Dir())
		finish(t, open(t, newLab(dir), small(), online.Options{}))
		sameFiles(t, name, files(t, dir), want)
	}
}

func tear(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// unsave takes back the weights of the last step, but not its metrics.
func unsave(t *testing.T, l *lab, name string) {
	t.Helper()
	r, err := l.read(name)
	if err != nil || r.Saved != r.Step {
		t.Fatal(r, err)
	}
	r.Saved--
	l.write(r)
}

// What the reports say, where it is known what they must: the fake's models grow better.
func TestReports(t *testing.T) {
	dir := t.TempDir()
	loop := open(t, newLab(dir), small(), online.Options{})
	finish(t, loop)
	reports, err := loop.Reports()
	if err != nil || len(reports) != 2 {
		t.Fatal(reports, err)
	}
	r := reports[1]
	if got, want := strings.Join(r.Players, " "), "base rs-2 ppo-1@5 ppo-2@2 ppo-2@5"; got != want {
		t.Errorf("players %q, want %q: snapshots of several iterations at once", got, want)
	}
	if r.Scores[0].Name != "base" || r.Scores[1].Name != "rs-2" || r.Scores[2].Name != "ppo-2@5" || len(r.Scores[0].X) != 80 ||
		!(r.Scores[0].Mean < r.Scores[1].Mean && r.Scores[0].Mean < r.Scores[2].Mean) {
		t.Errorf("scores %+v", r.Scores)
	}
	var names []string
	for _, a := range r.Accuracy {
		names = append(names, a.Name)
		if a.N < 5 || a.Value < 0.5 || a.Low > a.Value {
			t.Errorf("accuracy %+v", a)
		}
	}
	if got := strings.Join(names, " "); got != "base rs online-1 online-2" {
		t.Errorf("accuracies of %q", got)
	}
	elo := map[string]eval.Rating{}
	for _, e := range r.Elo {
		elo[e.Name] = e
	}
	if len(elo) != 7 || elo["base"].Elo != 0 || elo["base"].SE != 0 || !(elo["ppo-2@5"].Elo > elo["ppo-2@2"].Elo && elo["ppo-1@5"].Low > 0) {
		t.Errorf("ratings %+v", r.Elo)
	}
	// Figure 35: of the base model nothing, of the others the scores' difference and the crowd's sign.
	for i, p := range r.Predicted {
		if p.Name != r.Players[i] {
			t.Errorf("measures of %q, want of %q", p.Name, r.Players[i])
		}
		if zero := (online.Gap{}); i == 0 && (p.HeldOut != zero || p.Mean != zero || p.Ranked != zero || p.Crowd != zero) {
			t.Errorf("measures of the base model over itself: %+v", p)
		}
		if i == 4 && !(p.Crowd.Elo > 0 && p.Ranked.Elo > 0 && p.Mean.Elo > 0 && p.Mean.SE > 0 && p.Crowd.SE > 0) {
			t.Errorf("measures %+v, want above the base model", p)
		}
	}
	rltest.Close(t, "naive Elo", r.Predicted[4].HeldOut.Elo, eval.EloPerNat*(r.Scores[2].Mean-r.Scores[0].Mean), 1e-9)
	if se := eval.EloPerNat * math.Hypot(r.Scores[2].SE, r.Scores[0].SE); !(r.Predicted[4].HeldOut.SE < se) {
		t.Errorf("naive s.e. %v: not of the differences prompt by prompt, which is below %v", r.Predicted[4].HeldOut.SE, se)
	}
	// Rankings are of the labellers' pairs: a judge of little noise has no more than they, and no less by far.
	if last := r.Predicted[4]; math.Abs(last.Ranked.Elo-last.Crowd.Elo) > 6*math.Hypot(last.Ranked.SE, last.Crowd.SE) || last.Ranked == last.Crowd {
		t.Errorf("ranking %+v, crowd %+v", last.Ranked, last.Crowd)
	}
	if g := r.Gold; len(g) != 5 || g[0].Name != "base" || !(g[4].Worth > g[0].Worth+3*g[0].SE) || g[4].N != 80 {
		t.Errorf("gold labels %+v", g)
	}
	c, err := loop.Control()
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	if c.Won.N < 60 || c.Won.N > 150 || c.Won.Low > c.Won.Value || len(c.Mix.Accuracy) != 4 || c.Base.Gold[0].N != 150 || c.SE <= 0 {
		t.Errorf("control %+v", c)
	}
	rltest.Close(t, "gold difference", c.Better, c.Mix.Gold[0].Worth-c.Base.Gold[0].Worth, 1e-9)
	if events := finish(t, loop); events != 0 {
		t.Errorf("%d events of a loop that is done", events)
	}
	more := small()
	more.Rounds, more.Control = 3, -1
	again := open(t, newLab(dir), more, online.Options{})
	before := files(t, loop.Dir())
	finish(t, again)
	after := files(t, loop.Dir())
	for name := range before {
		if before[name] != after[name] {
			t.Errorf("a third round changed %s", name)
		}
	}
	if reports, err := again.Reports(); err != nil || len(reports) != 3 || len(reports[2].Players) != 6 {
		t.Errorf("after a third round: %+v, %v", reports, err)
	}
}

// The tranches are hh-rlhf files with their provenance, chosen is what the crowd
// preferred, and no model is trained on a trial.
func TestTranches(t *testing.T) {
	dir := t.TempDir()
	loop := open(t, newLab(dir), small(), online.Options{Crowd: synth.Crowd{Harmful: 0.3, Noise: 1e-9}})
	finish(t, loop)
	text, err := os.ReadFile(filepath.Join(loop.Dir(), "data/all-4/online-2.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	from := map[string]int{}
	for line := range strings.Lines(string(text)) {
		var r struct {
			Round        int
			ChosenFrom   string `json:"chosen_from"`
			RejectedFrom string `json:"rejected_from"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Round != 2 || r.ChosenFrom == r.RejectedFrom {
			t.Errorf("%+v: want round 2 and two different snapshots", r)
		}
		from[r.ChosenFrom]++
		from[r.RejectedFrom]++
	}
	if len(from) != 3 || from["ppo-1@5"] == 0 || from["ppo-2@2"] == 0 || from["ppo-2@5"] == 0 {
		t.Errorf("snapshots of the online tranche: %v", from)
	}
	cs, report, err := data.Load(filepath.Join(loop.Dir(), "data/all-4"), data.Options{Strict: true})
	if err != nil || report.Rows != report.Kept {
		t.Fatal(report, err)
	}
	world, harmful := synth.Small(0), 0
	for _, c := range cs {
		if world.Margin(c, synth.Crowd{}) <= 0 {
			t.Fatalf("%s: an exact crowd chose the worse one:\n%s\n%s", c.Source, c.Chosen, c.Rejected)
		}
		if world.Harmful(c.Chosen.Prompt) {
			harmful++
		}
	}
	if share := float64(harmful) / float64(len(cs)); share < 0.15 || share > 0.5 {
		t.Errorf("%.2f of the comparisons are of harmful requests", share)
	}
	folders, err := os.ReadDir(filepath.Join(loop.Dir(), "data"))
	if err != nil || len(folders) < 5 {
		t.Fatal(folders, err)
	}
	for _, f := range folders {
		if trials, _ := filepath.Glob(filepath.Join(loop.Dir(), "data", f.Name(), "trial*")); len(trials) > 0 {
			t.Errorf("%s is trained on %v", f.Name(), trials)
		}
	}
}

// human is a labeller who goes home after some questions.
type human struct {
	world *synth.World
	asked map[string]int
	left  int
}

var errHome = errors.New("gone home")

func (h *human) Label(_ context.Context, q online.Question) (online.Verdict, error) {
	if h.left--; h.left < 0 {
		return "", errHome
	}
	h.asked[q.ID]++
	worth := func(response string) float64 {
		return synth.Utility(h.world.Judge(rlhf.Transcript{Prompt: q.Prompt, Response: response}))
	}
	switch a, b := worth(q.A), worth(q.B); {
	case a > b:
		return online.A, nil
	case a < b:
		return online.B, nil
	}
	return online.Unsure, nil
}

// No verdict of a human is asked for twice, however often they go home.
func TestHuman(t *testing.T) {
	c := small()
	c.Rounds, c.Control = 1, -1
	dir, h := t.TempDir(), &human{world: synth.Small(0), asked: map[string]int{}}
	prompts := h.world.Prompts(120, synthRand(), 0.2)
	homes := 0
	for {
		h.left = 75
		var last error
		for _, err := range open(t, newLab(dir), c, online.Options{Labeller: h, Prompts: prompts}).Train() {
			last = err
		}
		if last == nil {
			break
		}
		if homes++; !errors.Is(last, errHome) || homes > 20 {
			t.Fatal(last)
		}
	}
	if homes < 4 || len(h.asked) < 4*75 {
		t.Errorf("went home %d times after %d questions", homes, len(h.asked))
	}
	for id, n := range h.asked {
		if n != 1 {
			t.Errorf("question %s was asked %d times", id, n)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	l := newLab(dir)
	loop := open(t, l, small(), online.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	last := func(seq func(func(rlhf.Event, error) bool)) (err error) {
		for _, e := range seq {
			err = e
		}
		return err
	}
	with := func(change func(c *online.Config)) error {
		c := small()
		change(&c)
		_, err := online.Open(l, "loop", c, online.Options{})
		return err
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"another configuration":  {with(func(c *online.Config) { c.Base = 7 }), "base is 300 on disk, 7 asked for"},
		"no model":               {with(func(c *online.Config) { c.LM = "" }), `online: LM = "", want`},
		"missing model":          {with(func(c *online.Config) { c.LM = "gone" }), `LM = "gone"`},
		"negative":               {with(func(c *online.Config) { c.K, c.Online = -1, -2 }), "Online = -2, want >= 1\nonline: K = -1, want >= 1"},
		"size":                   {with(func(c *online.Config) { c.Size = "huge" }), `Size = "huge"`},
		"no place for snapshots": {with(func(c *online.Config) { c.Snapshots = 9 }), "PPO.Planned = 5, want >= Snapshots (9)"},
		"own data":               {with(func(c *online.Config) { c.PM.Data = "x" }), `PM.Data = "x", want "": the loop names it`},
		"own seed":               {with(func(c *online.Config) { c.PPO.Seed = 3 }), "PPO.Seed = 3"},
		"harmful":                {with(func(c *online.Config) { c.Harmful = 2 }), "Harmful = 2"},
		"no world":               {with(func(c *online.Config) { c.World = "hh-rlhf" }), "Options.Prompts and Options.Labeller"},
		"seed of a world":        {with(func(c *online.Config) { c.World = "synth:x" }), "whole number"},
		"interrupted":            {last(loop.With(ctx).Train()), "context canceled"},
		"name":                   {func() error { _, err := online.Open(l, "../x", small(), online.Options{}); return err }(), `"../x"`},
		"crowd": {func() error {
			_, err := online.Open(l, "other", small(), online.Options{Crowd: synth.Crowd{Noise: -1}})
			return err
		}(), "Noise = -1"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, c.err, c.want)
		}
	}
	finish(t, loop)
	answers := filepath.Join(loop.Dir(), "answers/trial-1/base.jsonl")
	good, err := os.ReadFile(answers)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(answers, append([]byte(`{"prompt":"other","response":"x"}`+"\n"), good[strings.IndexByte(string(good), '\n')+1:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := last(loop.Train()); err == nil || !strings.Contains(err.Error(), "base.jsonl:1 answers another prompt") {
		t.Errorf("answers to other prompts: %v", err)
	}
	if err := os.WriteFile(answers, []byte("{]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := last(loop.Train()); err == nil || !strings.Contains(err.Error(), "base.jsonl:1") {
		t.Errorf("a broken line: %v", err)
	}
}

func synthRand() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }

// Every round starts from the base model again, on all data so far, with other seeds;
// both arms of the control have everything alike but the data.
func TestFromScratch(t *testing.T) {
	dir := t.TempDir()
	l := newLab(dir)
	c := small()
	c.Harmful = 0
	loop := open(t, l, c, online.Options{})
	finish(t, loop)
	pm := func(name string) (c rlhf.PM) { return config(t, l, name, c) }
	ppo := func(name string) (c rlhf.PPO) { return config(t, l, name, c) }
	for i, name := range []string{"base", "1", "2"} {
		c := pm("loop-pm-" + name)
		tranches, err := filepath.Glob(filepath.Join(c.Data, "*.jsonl"))
		if want := []int{1, 2, 3}[i]; err != nil || c.LM != "lm" || c.Rows != 0 || c.Mix != nil || len(tranches) != want {
			t.Errorf("round %s: %+v has %d tranches, want %d", name, c, len(tranches), want)
		}
	}
	if a, b := pm("loop-pm-1").Planned, pm("loop-pm-2").Planned; a < 10 || b <= a {
		t.Errorf("%d and %d steps: more comparisons are more steps of an epoch", a, b)
	}
	one, two := ppo("loop-ppo-1"), ppo("loop-ppo-2")
	if one.Policy != "lm" || two.Policy != "lm" || one.PM != "loop-pm-1" || two.PM != "loop-pm-2" || one.Seed == two.Seed || pm("loop-pm-1").Seed == pm("loop-pm-2").Seed {
		t.Errorf("policies %+v\n%+v", one, two)
	}
	if one.Data != "synth-small" || one.HarmfulFraction == 0 || one.HarmfulFraction > 1e-9 {
		t.Errorf("a helpful-only loop trains on %q with a share of %g harmful prompts", one.Data, one.HarmfulFraction)
	}
	base, mix := pm("loop-base-only-2-pm"), pm("loop-even-mix-2-pm")
	if base.Rows != mix.Rows || len(base.Mix) != 1 || len(mix.Mix) != 4 || base.Seed != mix.Seed {
		t.Errorf("the control's arms: %+v\n%+v", base, mix)
	}
	shares := map[string]float64{}
	for _, m := range mix.Mix {
		name, _, _ := strings.Cut(m.Data, "-")
		shares[name] += m.Weight
	}
	for _, name := range []string{"base", "rs", "online"} {
		rltest.Close(t, "share of "+name, shares[name], 1.0/3, 1e-12)
	}
	a, b := ppo("loop-base-only-2-ppo"), ppo("loop-even-mix-2-ppo")
	if a.PM, b.PM = "", ""; !reflect.DeepEqual(a, b) {
		t.Errorf("the control's policies differ in more than their model:\n%+v\n%+v", a, b)
	}
}

func config[C any](t *testing.T, l *lab, name string, c C) C {
	t.Helper()
	r, err := l.read(name)
	if err == nil {
		err = json.Unmarshal(r.Info.Config, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
