package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/memory"
)

// counter is a preference model that likes long responses: a score is the response's
// length less a tenth of a point for each byte of the prompt.
type counter struct {
	preferenceModel          // nil: what no test needs
	need            int64    // bytes
	batches         []int    // responses in each successful call
	evaluated       []string // data and rows
}

func (c *counter) ScoreBytes() (int64, error) { return c.need, nil }

func (c *counter) Score(ts []rlhf.Transcript) ([]float64, error) {
	out := make([]float64, len(ts))
	for i, t := range ts {
		if strings.Contains(t.Response, "endless") {
			return nil, fmt.Errorf("transcript %d is too long", i)
		}
		if !strings.HasPrefix(t.Prompt, rlhf.Human) || !strings.HasSuffix(t.Prompt, rlhf.Assistant) {
			return nil, fmt.Errorf("prompt %q", t.Prompt)
		}
		if out[i] = float64(len(t.Response)) - float64(len(t.Prompt))/10; strings.Contains(t.Response, "broken") {
			out[i] = math.NaN()
		}
	}
	c.batches = append(c.batches, len(ts))
	return out, nil
}

// evaluation is one with every part of it that is printed.
var evaluation = rlhf.PMEval{
	Step:     7,
	All:      rlhf.Accuracy{Name: "all", N: 100, Value: .8, Low: .71, High: .87},
	Tranches: []rlhf.Accuracy{{Name: "harmless-base", N: 50, Value: .9, Low: .79, High: .96}},
	Turns:    []rlhf.Accuracy{{Name: "1", N: 60, Value: .7}},
	Bins:     []rlhf.Bin{{N: 100, Accuracy: .8, Predicted: .5}},
	Loss:     .5, ECE: .3, Brier: .2, Slope: 1.1, SlopeSE: .05, LengthCorr: .25,
	Notes: []string{"3 comparisons of conversations that were trained on left out"},
}

func (c *counter) Evaluate() (rlhf.PMEval, error) {
	c.evaluated = append(c.evaluated, "own")
	return evaluation, nil
}

func (c *counter) EvaluateOn(data string, rows int) (rlhf.PMEval, error) {
	if data == "unknown" {
		return rlhf.PMEval{}, errors.New("no data set of that name")
	}
	c.evaluated = append(c.evaluated, fmt.Sprint(filepath.Base(data), rows))
	return evaluation, nil
}

// judgeDesk is a desk with a preference model on it.
type judgeDesk struct {
	*desk
	judge *counter
}

func newJudgeDesk(in io.Reader) judgeDesk {
	d := judgeDesk{newDesk(in), &counter{}}
	d.openPM = func(_ context.Context, runs, name string) (preferenceModel, error) {
		if name != "judge" {
			return nil, fmt.Errorf("no run %q", name)
		}
		return d.judge, nil
	}
	return d
}

// run runs a command line of rlhf pm.
func (d judgeDesk) run(t *testing.T, line string) error {
	t.Helper()
	return runPM(t, d.desk, line)
}

func runPM(t *testing.T, d *desk, line string) error {
	t.Helper()
	var usage bytes.Buffer
	err := pmCommands(d.shell).run(t.Context(), strings.Fields(line), &usage)
	d.err.Write(usage.Bytes())
	return err
}

func TestPMArguments(t *testing.T) {
	rows := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(rows, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"train -name a/b -lm m":              "pm train: -name: ",
		"train -rows 10":                     "pm train: -lm is missing",
		"train -lm m -more -3":               "-more -3, want 0",
		"train -lm m -size huge":             "one of tiny, default, large",
		"train -lm m -layers -1":             "-layers -1, want 0 (all)",
		"train -lm m -readout middle":        `-readout "middle", want end or end+mean`,
		"train -lm m -schedule cosine":       `-schedule "cosine", want linear or constant`,
		"train -lm m -precision fp8":         `-precision "fp8", want float32 or bfloat16`,
		"train -lm m -lm-coef -1":            "-lm-coef -1, want 0 or more",
		"train -lm m -frozen -lm-coef 1":     "-lm-coef 1 trains the trunk, which -frozen leaves",
		"train -lm m -weight-decay -1":       "-weight-decay -1, want 0",
		"train -lm m -batch 8 -accumulate 3": "-accumulate 3, want a divisor of -batch (8)",
		"train -lm m -batch -8":              "Batch = -8, want > 0",
		"train -lm m -held-out 1":            "HeldOut = 1, want in [0, 1)",
		"train -lm m -mix a":                 `-mix "a": "a" is not name=number`,
		"train -lm m -mix a=0.5,b=0.4":       "the sum of Mix's shares = 0.9, want 1",
		"train -lm m -weights a=0":           `-weights "a=0": "a=0" is not name=number above 0`,
		"train -lm m -weights a=1,b=Inf":     `"b=Inf" is not name=number`,
		"train -lm m":                        "no lab", // as far as it gets
		"eval":                               "pm eval: -pm is missing",
		"eval -pm nobody":                    `pm eval: -pm: no run "nobody"`,
		"eval -pm judge -rows -1 " + rows:    "-rows -1, want 0",
		"eval -pm judge -rows 5":             "-rows is for -data",
		"eval -pm judge -data none.jsonl":    "pm eval: -data: stat none.jsonl",
		"eval -pm judge -data=":              "-data is empty",
		"eval -pm judge unknown":             "pm eval: unknown: no data set of that name",
		"score " + rows:                      "pm score: -pm is missing",
		"score -pm nobody " + rows:           `no run "nobody"`,
		"score -pm judge none.jsonl":         "no such file",
		"score -pm judge -field= " + rows:    "-field is empty",
	} {
		d := newJudgeDesk(strings.NewReader(""))
		err := d.run(t, line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", line, err, want)
		}
		if d.out.Len() > 0 {
			t.Errorf("%s: printed %q", line, d.out.String())
		}
	}
	for _, line := range []string{"eval -fly", "fly", "score a b"} {
		if err := newJudgeDesk(nil).run(t, line); !errors.Is(err, errUsage) {
			t.Errorf("%s: error %v, want a misuse", line, err)
		}
	}
}

func TestPMHelp(t *testing.T) {
	var out bytes.Buffer
	group := pmCommands(shell{})
	if err := group.run(t.Context(), []string{"-h"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, c := range group.subs {
		if !strings.Contains(out.String(), "rlhf "+c.name) {
			t.Errorf("rlhf pm -h lacks %s", c.name)
		}
		var help bytes.Buffer
		if err := dispatch(t.Context(), append(strings.Fields(c.name), "-h"), &help); err != nil {
			t.Errorf("%s -h: %v", c.name, err)
		}
		for _, want := range []string{"usage: rlhf " + c.name + " [flags]", "\n  rlhf " + c.name + " -", "-json", "-runs folder"} {
			if !strings.Contains(help.String(), want) {
				t.Errorf("%s -h lacks %q:\n%s", c.name, want, help.String())
			}
		}
	}
}

func TestPMTrainFlags(t *testing.T) {
	f := pmTrainFlags{name: "a", configured: true, mix: "harmless-base=0.3, helpful-base=0.7", weights: "helpful-base=2",
		cfg: rlhf.PM{LM: "m"}}
	c, err := f.config()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Mix) != 2 || c.Mix[1] != (rlhf.Share{Data: "helpful-base", Weight: .7}) || len(c.Weights) != 1 || c.Weights[0].Weight != 2 {
		t.Errorf("%+v", c)
	}
	if _, err := (pmTrainFlags{name: "a"}).config(); err != nil {
		t.Errorf("a name alone: %v", err)
	}
}

// Every flag sets its own field, and is known to describe a run.
func TestPMTrainFields(t *testing.T) {
	var f pmTrainFlags
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	f.bind(fs)
	line := "-lm m -layers 3 -frozen -readout end+mean -data d -mix a=0.5,b=0.5 -weights a=2 -rows 90 -held-out 0.3 -split 4 -swap " +
		"-batch 16 -context 128 -planned 40 -pm-coef 0.5 -lr 0.01 -schedule constant -warmup 2 -weight-decay 0.1 -centre " +
		"-accumulate 4 -checkpointing -precision bfloat16 -size tiny -seed 8"
	if err := fs.Parse(strings.Fields(line)); err != nil {
		t.Fatal(err)
	}
	f.name, f.configured = "a", true
	got, err := f.config()
	if err != nil {
		t.Fatal(err)
	}
	want := rlhf.PM{LM: "m", Layers: 3, Frozen: true, Readout: "end+mean", Data: "d", Mix: []rlhf.Share{{Data: "a", Weight: .5}, {Data: "b", Weight: .5}},
		Weights: []rlhf.Share{{Data: "a", Weight: 2}}, Rows: 90, HeldOut: .3, Split: 4, Swap: true, Batch: 16, Context: 128, Planned: 40, PMCoef: .5,
		LearningRate: .01, Schedule: "constant", Warmup: 2, WeightDecay: .1, Centre: true, Accumulate: 4, Checkpointing: true, Precision: "bfloat16",
		Size: rlhf.Tiny, Seed: 8}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if err := fs.Parse([]string{"-lm-coef", "1"}); err != nil || f.cfg.LMCoef != 1 {
		t.Errorf("-lm-coef 1: %v, LMCoef %v", err, f.cfg.LMCoef)
	}
	var configure []string
	fs.VisitAll(func(g *flag.Flag) {
		if !slices.Contains([]string{"name", "runs", "more", "json", "force"}, g.Name) {
			configure = append(configure, g.Name)
		}
	})
	if d := cmp.Diff(configure, slices.Sorted(slices.Values(pmConfigFlags))); d != "" {
		t.Errorf("pmConfigFlags, -flags +list:\n%s", d)
	}
}

// The estimate of training's memory follows what it depends on.
func TestPMTrainBytes(t *testing.T) {
	shape := lm.Shape{Vocab: 50000, Width: 576, Layers: 30, Heads: 9, Context: 2048}
	whole := pmTrainBytes(shape, rlhf.PM{Batch: 32}, 256)
	for name, c := range map[string]rlhf.PM{
		"frozen":        {Batch: 32, Frozen: true},
		"accumulate":    {Batch: 32, Accumulate: 8},
		"checkpointing": {Batch: 32, Checkpointing: true},
	} {
		if n := pmTrainBytes(shape, c, 256); n >= whole || n < 4*shape.Params() {
			t.Errorf("%s: %s, the whole %s", name, memory.Text(n), memory.Text(whole))
		}
	}
	if n := pmTrainBytes(shape, rlhf.PM{Batch: 32, LMCoef: 1}, 256); n <= whole {
		t.Errorf("with logits %s, without %s", memory.Text(n), memory.Text(whole))
	}
}

func TestPMEval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d := newJudgeDesk(nil)
	if err := d.run(t, "eval -pm judge -rows 9 -data "+path+" -data hh-rlhf synth-small -json"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(d.judge.evaluated, " "); got != "rows.jsonl9 hh-rlhf9 synth-small9" {
		t.Errorf("evaluated %s", got)
	}
	var list []pmResult
	decode(t, d.out.String(), &list)
	if len(list) != 3 || list[1].Data != "hh-rlhf" || !cmp.Equal(list[2].Eval, evaluation) {
		t.Errorf("%+v", list)
	}

	d = newJudgeDesk(nil)
	if err := d.run(t, "eval -pm judge"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"judge on held-out, at step 7: 100 comparisons", "0.800 ± 0.040    0.710 to 0.870", "harmless-base", "turn 1",
		"ECE 0.3000", "slope 1.100 ± 0.050", "Brier 0.2", "correlation 0.250", "note: 3 comparisons"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}
	if d.judge.evaluated[0] != "own" {
		t.Errorf("evaluated %v", d.judge.evaluated)
	}
}

func TestPMNeedsMemory(t *testing.T) {
	d := newJudgeDesk(nil)
	d.judge.need = 1 << 60
	if err := d.run(t, "eval -pm judge"); err == nil || !strings.Contains(err.Error(), "pm eval: judge needs about") {
		t.Errorf("error %v", err)
	}
	if err := d.run(t, "eval -pm judge -force"); err != nil || !strings.Contains(d.err.String(), "going on because of -force") {
		t.Errorf("forced: %v, said %q", err, d.err.String())
	}
}

func TestPrintLeftOut(t *testing.T) {
	var b bytes.Buffer
	err := printLeftOut(&b, trained)
	want := "left out of a.jsonl, 10 rows read, 7 comparisons used:\n  2  identical pair  a.jsonl:3, a.jsonl:4\n  1  empty response  a.jsonl:9\nnote: 1 pair is too long\n"
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, b.String(), want)
	}
}

// trained is a run in the middle of its training, with every kind of row left out.
var trained = rlhf.RunInfo{Name: "judge", Kind: "pm", Config: json.RawMessage(`{}`), Dir: "runs/judge", Step: 3, Planned: 7, Params: 1500,
	Data: []rlhf.DataInfo{{Name: "clean", Rows: 4}, {Name: "a.jsonl", Read: 10, Rows: 7, Odd: []rlhf.Odd{
		{Reason: "identical pair", Rows: 2, Where: []string{"a.jsonl:3", "a.jsonl:4"}}, {Reason: "empty response", Rows: 1, Where: []string{"a.jsonl:9"}}}}},
	Notes: []string{"1 pair is too long"},
}

// script is a run whose training is written down.
type script struct {
	rlhf.PMRun // nil: what no test needs
	events     []rlhf.Event
	fails      error // at the end of the events
	steps      int   // asked for with Steps
}

func (r *script) Info() (rlhf.RunInfo, error)    { return trained, nil }
func (r *script) Evaluate() (rlhf.PMEval, error) { return evaluation, nil }
func (r *script) Train() iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		for _, e := range r.events {
			if !yield(e, nil) {
				return
			}
		}
		if r.fails != nil {
			yield(rlhf.Event{}, r.fails)
		}
	}
}

func (r *script) Steps(n int) iter.Seq2[rlhf.Event, error] {
	r.steps = n
	return r.Train()
}

func newScript() *script {
	values := map[string]float64{"pm/loss": .5, "pm/accuracy": .75}
	return &script{events: []rlhf.Event{
		{Step: 3, Of: 7, Message: "trunk: 1200 of 5700 pairs read"},
		{Step: 4, Of: 7, Left: 90 * time.Second, Point: &rlhf.Point{Step: 4, Values: values}},
	}}
}

func TestPMTrainReports(t *testing.T) {
	d := newJudgeDesk(nil)
	f := pmTrainFlags{name: "judge", asJSON: true}
	if err := f.train(t.Context(), d.shell, newScript(), time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	var got pmTrained
	decode(t, d.out.String(), &got)
	if !cmp.Equal(got.Run, trained) || !cmp.Equal(got.Eval, evaluation) || got.Seconds < 60 || got.Seconds > 90 {
		t.Errorf("%+v", got)
	}
	var keys map[string]json.RawMessage
	decode(t, d.out.String(), &keys)
	if len(keys) != 3 || strings.Count(d.out.String(), "\n") != 1 {
		t.Errorf("printed %s, want one object of run, eval and seconds", d.out.String())
	}
	for _, want := range []string{"judge, 1.5K parameters, step 3 of 7, in runs/judge", "trunk: 1200 of 5700 pairs read", "1 pair is too long"} {
		if !strings.Contains(d.err.String(), want) {
			t.Errorf("said %q, lacks %q", d.err.String(), want)
		}
	}

	d = newJudgeDesk(nil)
	f.asJSON, f.more = false, 9
	r := newScript()
	if err := f.train(t.Context(), d.shell, r, time.Now()); err != nil || r.steps != 9 {
		t.Errorf("%d steps more, %v", r.steps, err)
	}
	for _, want := range []string{"judge on held-out", "harmless-base", "2  identical pair  a.jsonl:3", "note: 1 pair", "try: rlhf pm score -pm judge"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}
}

func TestPMTrainStops(t *testing.T) {
	d := newJudgeDesk(nil)
	r := newScript()
	r.fails = errors.New("disk full")
	f := pmTrainFlags{name: "judge", asJSON: true}
	if err := f.train(t.Context(), d.shell, r, time.Now()); err == nil || err.Error() != "pm train: disk full" {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := f.train(ctx, d.shell, r, time.Now())
	if err == nil || err.Error() != "pm train: stopped at step 4, which is kept; rlhf pm train -name judge goes on" {
		t.Errorf("interrupted: %v", err)
	}
	if d.out.Len() > 0 {
		t.Errorf("printed %q", d.out.String())
	}
}
