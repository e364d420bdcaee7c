package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/memory"
)

// parrot is a policy that says each prompt again.
type parrot struct {
	points []rlhf.Point
	asked  rlhf.Sampling
}

func (p *parrot) History() ([]rlhf.Point, error) { return p.points, nil }

func (p *parrot) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	p.asked = o
	out := make([]rlhf.Sample, len(prompts))
	for i, text := range prompts {
		out[i] = rlhf.Sample{Prompt: text, Response: " <" + text + ">", Tokens: i + 1}
	}
	return out, nil
}

func (p *parrot) Compare(n int) (rlhf.BeforeAfter, error) {
	if n > 3 {
		return rlhf.BeforeAfter{}, fmt.Errorf("there are 3 held-out prompts")
	}
	ba := rlhf.BeforeAfter{Step: 7, Rows: []rlhf.Change{{Name: "score", Before: 1, BeforeSE: .3, After: 2.5, AfterSE: .4}}}
	for i := range n {
		prompt := fmt.Sprintf("%s question %d%s", rlhf.Human, i, rlhf.Assistant)
		ba.Before = append(ba.Before, rlhf.Sample{Prompt: prompt, Response: " a\nb", Score: -1})
		ba.After = append(ba.After, rlhf.Sample{Prompt: prompt, Response: " c", Score: 2})
	}
	return ba, nil
}

// policyDesk is a desk with a run of reinforcement learning on it.
type policyDesk struct {
	*desk
	policy *parrot
}

func newPolicyDesk() policyDesk {
	d := policyDesk{newDesk(nil), &parrot{}}
	d.openPPO = func(_ context.Context, runs, name string) (policyRun, error) {
		if name != "polite" {
			return nil, fmt.Errorf("no run %q", name)
		}
		return d.policy, nil
	}
	return d
}

// runPPO runs a command line of rlhf ppo; words are separated by |.
func runPPO(t *testing.T, d *desk, line string) error {
	t.Helper()
	var usage bytes.Buffer
	err := ppoCommands(d.shell).run(t.Context(), strings.Split(line, "|"), &usage)
	d.err.Write(usage.Bytes())
	return err
}

func TestPPOArguments(t *testing.T) {
	const train = "train|-policy|p|-pm|m|"
	for line, want := range map[string]string{
		"train|-name|a/b|-policy|p":           "ppo train: -name: ",
		"train|-pm|m":                         "ppo train: -policy is missing",
		"train|-policy|p":                     "ppo train: -pm is missing",
		train + "-more|-3":                    "-more -3, want 0",
		train + "-size|huge":                  "one of tiny, default, large",
		train + "-kl|-1":                      "KLCoef = -1, want >= 0",
		train + "-kl-in|value":                `KL = "value", want`,
		train + "-value|none":                 `Value = "none", want "own" or "shared"`,
		train + "-value-coef|1":               "ValueCoef = 1, want 0 unless",
		train + "-batch|32|-minibatches|5":    "Minibatches = 5, want a divisor of Batch (32)",
		train + "-batch|32|-accumulate|3":     "Accumulate = 3, want a divisor",
		train + "-kl|0|-kl-target|6":          "KLCoef = 0, want > 0 with KLTarget",
		train + "-schedule|cosine":            `Schedule = "cosine", want`,
		train + "-plant|nothing":              `Plant = "nothing", want`,
		train + "-kl|0.1":                     "no lab", // as far as it gets
		"eval":                                "ppo eval: -run is missing",
		"eval|-run|nobody":                    `ppo eval: -run: no run "nobody"`,
		"eval|-run|polite|-n|0":               "-n 0 -show 2, want 1",
		"eval|-run|polite|-n|4":               "there are 3 held-out prompts",
		"sample|-run|polite":                  "ppo sample: want one of -prompt and -prompts",
		"sample|-prompt|a":                    "ppo sample: -run is missing",
		"sample|-run|polite|-prompt|a|-n|0":   "-n 0, want 1",
		"sample|-run|polite|-prompt|a|-top-p": "usage",
		"diagnose":                            "ppo diagnose: -run is missing",
	} {
		d := newPolicyDesk()
		err := runPPO(t, d.desk, line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", line, err, want)
		}
		if d.out.Len() > 0 {
			t.Errorf("%s: printed %q", line, d.out.String())
		}
	}
	for _, line := range []string{"eval|-fly", "fly", "diagnose|a"} {
		if err := runPPO(t, newDesk(nil), line); !errors.Is(err, errUsage) {
			t.Errorf("%s: error %v, want a misuse", line, err)
		}
	}
}

func TestPPOHelp(t *testing.T) {
	var out bytes.Buffer
	group := ppoCommands(shell{})
	if err := group.run(t.Context(), []string{"-h"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, c := range group.subs {
		if !strings.Contains(out.String(), "rlhf "+c.name) {
			t.Errorf("rlhf ppo -h lacks %s", c.name)
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

// Every flag sets its own field, and is known to describe a run.
func TestPPOTrainFields(t *testing.T) {
	var f ppoTrainFlags
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	f.bind(fs)
	line := "-policy p -pm m -test-pm o -data d -rows 90 -harmful 0.5 -prompt 16 -response 20 -batch 16 -minibatches 2 -accumulate 4 -epochs 3 " +
		"-steps 40 -kl 0.02 -kl-in response -kl-target 6 -kl-horizon 500 -norm-score -eos-penalty 1 -length-penalty 0.01 -whiten-reward " +
		"-value shared -value-coef 0.3 -clip 0.1 -value-clip -1 -gamma 0.99 -lambda 0.9 -entropy 0.01 -temperature 0.8 -no-whiten " +
		"-lr 0.01 -value-lr 0.02 -warmup 2 -schedule halving -halve-every 1000 -clip-norm 2 -checkpointing -size tiny -seed 8 -plant top-k"
	if err := fs.Parse(strings.Fields(line)); err != nil {
		t.Fatal(err)
	}
	f.name, f.configured = "a", true
	got, err := f.config()
	if err != nil {
		t.Fatal(err)
	}
	want := rlhf.PPO{Policy: "p", PM: "m", TestPM: "o", Data: "d", Rows: 90, HarmfulFraction: .5, Prompt: 16, Response: 20, Batch: 16, Minibatches: 2,
		Accumulate: 4, Epochs: 3, Planned: 40, KLCoef: .02, KL: "response", KLTarget: 6, KLHorizon: 500, NormScore: true, MissingEOSPenalty: 1,
		LengthPenalty: .01, WhitenReward: true, Value: "shared", ValueCoef: .3, ClipRange: .1, ValueClip: -1, Gamma: .99, Lambda: .9, EntropyCoef: .01,
		Temperature: .8, NoWhiten: true, LearningRate: .01, ValueLearningRate: .02, Warmup: 2, Schedule: "halving", HalveEvery: 1000, ClipNorm: 2,
		Checkpointing: true, Size: rlhf.Tiny, Seed: 8, Plant: rlhf.PlantTopK}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	// What cannot stand beside the others.
	if err := fs.Parse(strings.Fields("-eos-score -1 -critic-warmup 5")); err != nil || f.cfg.MissingEOSScore != -1 || f.cfg.CriticWarmup != 5 {
		t.Errorf("%v, MissingEOSScore %v, CriticWarmup %v", err, f.cfg.MissingEOSScore, f.cfg.CriticWarmup)
	}
	var configure []string
	fs.VisitAll(func(g *flag.Flag) {
		if !slices.Contains([]string{"name", "runs", "more", "json"}, g.Name) {
			configure = append(configure, g.Name)
		}
	})
	if d := cmp.Diff(configure, slices.Sorted(slices.Values(ppoConfigFlags))); d != "" {
		t.Errorf("ppoConfigFlags, -flags +list:\n%s", d)
	}
	if _, err := (ppoTrainFlags{name: "a"}).config(); err != nil {
		t.Errorf("a name alone: %v", err)
	}
}

func TestPPOEval(t *testing.T) {
	d := newPolicyDesk()
	if err := runPPO(t, d.desk, "eval|-run|polite|-n|3|-show|1"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"polite at step 7, 3 prompts", "score         1.000 ± 0.300      2.500 ± 0.400   +1.500 ± 0.500", "Human: question 0", "before (-1.00): a b", "after  (+2.00): c"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}
	if strings.Contains(d.out.String(), "question 1") {
		t.Errorf("-show 1:\n%s", d.out.String())
	}
	d = newPolicyDesk()
	if err := runPPO(t, d.desk, "eval|-run|polite|-n|2|-json"); err != nil {
		t.Fatal(err)
	}
	var ba rlhf.BeforeAfter
	if decode(t, d.out.String(), &ba); len(ba.After) != 2 || ba.Rows[0].After != 2.5 || ba.Step != 7 {
		t.Errorf("%+v", ba)
	}
}

func TestPPOSample(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prompts.txt")
	if err := os.WriteFile(file, []byte("one\n{\"prompt\": \"two\"}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"-prompt|a b": "<a b>\n",
		"-chat|-prompt|a b|-temperature|0|-max-tokens|7|-seed|3|-top-k|0": "<" + rlhf.Human + " a b" + rlhf.Assistant + ">\n",
		"-prompts|" + file + "|-n|2":                                      "one\n> <one>\n\none\n> <one>\n\ntwo\n> <two>\n\ntwo\n> <two>\n\n",
		"-json|-prompt|a":                                                 `{"prompt":"a","response":" \u003ca\u003e","tokens":1,"eos":false,"score":0,"kl":0}` + "\n",
	} {
		d := newPolicyDesk()
		if err := runPPO(t, d.desk, "sample|-run|polite|"+line); err != nil || d.out.String() != want {
			t.Errorf("%s: %v, %q, want %q", line, err, d.out.String(), want)
		}
		if strings.Contains(line, "-seed") && d.policy.asked != (rlhf.Sampling{Temperature: -1, MaxTokens: 7, Seed: 3}) {
			t.Errorf("asked %+v", d.policy.asked)
		}
	}
}

func TestPPODiagnose(t *testing.T) {
	d := newPolicyDesk()
	if err := runPPO(t, d.desk, "diagnose|-run|polite"); err != nil || d.out.String() != "polite: nothing found in 0 steps\n" {
		t.Errorf("%v, %q", err, d.out.String())
	}
	d = newPolicyDesk()
	if err := runPPO(t, d.desk, "diagnose|-run|polite|-json"); err != nil || d.out.String() != "[]\n" {
		t.Errorf("%v, %q", err, d.out.String())
	}
	// A ratio that is not one in a step's first minibatch.
	d = newPolicyDesk()
	d.policy.points = []rlhf.Point{{Step: 1, Values: map[string]float64{"policy/ratio_start": 0.5, "objective/kl": 0}}}
	if err := runPPO(t, d.desk, "diagnose|-run|polite"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ratio-not-one, step", "\n  saw  ", "\n  try  ", "\n  look at  policy/ratio_start"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}
	d.out.Reset()
	if err := runPPO(t, d.desk, "diagnose|-run|polite|-json"); err != nil {
		t.Fatal(err)
	}
	var found []rlhf.Finding
	if decode(t, d.out.String(), &found); len(found) == 0 || found[0].Name != "ratio-not-one" {
		t.Errorf("%+v", found)
	}
}

// course is a run of reinforcement learning that is written down.
type course struct {
	rlhf.PPORun // nil: what no test needs
	fails       error
}

func (c course) Info() (rlhf.RunInfo, error) {
	info := trained
	info.Memory = memory.Plan{{What: "policy", Bytes: 3e9}}
	return info, nil
}

func (c course) History() ([]rlhf.Point, error) {
	var points []rlhf.Point
	for i := range 20 {
		points = append(points, rlhf.Point{Step: i + 1, Values: map[string]float64{"objective/score": float64(i), "objective/kl": .5}})
	}
	return points, nil
}

func (c course) Train() iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		points, _ := c.History()
		if yield(rlhf.Event{Message: "compiling"}, nil) && yield(rlhf.Event{Step: 4, Of: 20, Left: 90 * time.Second, Point: &points[3]}, nil) && c.fails != nil {
			yield(rlhf.Event{}, c.fails)
		}
	}
}

// The end's summary and JSON, and the words of a stop and of a failure.
func TestPPOTrainReports(t *testing.T) {
	d := newPolicyDesk()
	if err := (ppoTrainFlags{name: "polite"}).train(t.Context(), d.shell, course{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"polite, 20 steps: means of the first 2 and the last 2", "score                              0.500 →   18.500", "rlhf ppo diagnose -run polite"} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, d.out.String())
		}
	}
	if strings.Contains(d.out.String(), "gold") {
		t.Errorf("metrics that the run lacks:\n%s", d.out.String())
	}
	for _, want := range []string{"ppo train: polite, 1.5K parameters, step 3 of 7", "1 pair is too long", "policy     ", "3.0 GB", "ppo train: compiling"} {
		if !strings.Contains(d.err.String(), want) {
			t.Errorf("said nothing of %q:\n%s", want, d.err.String())
		}
	}
	d = newPolicyDesk()
	if err := (ppoTrainFlags{name: "polite", asJSON: true}).train(t.Context(), d.shell, course{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	var done ppoTrained
	if decode(t, d.out.String(), &done); done.Last == nil || done.Last.Step != 20 || done.Run.Name != "judge" {
		t.Errorf("%+v", done)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for ctx, want := range map[context.Context]string{t.Context(): "ppo train: no space", cancelled: "stopped at step 4, which is kept; rlhf ppo train -name polite goes on"} {
		err := (ppoTrainFlags{name: "polite"}).train(ctx, newPolicyDesk().shell, course{fails: errors.New("no space")}, time.Now())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
