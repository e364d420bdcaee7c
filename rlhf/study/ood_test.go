package study_test

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/study"
)

// Both sections go through with models that know nothing, are read back as they were, and
// say what their verdicts want to know.
func TestStrangers(t *testing.T) {
	if testing.Short() {
		t.Skip("trains and compiles for half a minute; -short is set")
	}
	l := openLab(t, t.TempDir())
	defer l.Close()
	p := smallest()
	p.Prompts = 24
	st, err := study.Open(l, "s", p, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := study.OutOfDistribution(st)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Models) != 1 || o.Real != nil {
		t.Fatalf("%d models, real %v", len(o.Models), o.Real)
	}
	m := o.Models[0]
	if m.Inliers != 4*p.Prompts || m.Strange != 2*p.Prompts || len(m.Layers) != p.Shapes[0].Layers+1 || m.Chosen != p.Shapes[0].Layers {
		t.Errorf("%d and %d requests, layers %+v, chosen %d", m.Inliers, m.Strange, m.Layers, m.Chosen)
	}
	if ten, ok := m.ShownTo(10); !ok || len(ten.Of) != 3 || m.At(m.Chosen).MD.Mean <= 0 || m.Params == 0 {
		t.Errorf("shown %+v, at %d: %+v", m.Shown, m.Chosen, m.At(m.Chosen))
	}
	if len(m.Decline) != 2 || len(m.Look) != 2 || len(m.Look[0].Inliers) != m.Inliers/2 {
		t.Errorf("decline %+v, %d looks", m.Decline, len(m.Look))
	}
	if len(o.Policies) != 4 || o.Policies[0].OfHarmful.N == 0 || o.Policies[0].OfHelpful.N == 0 {
		t.Errorf("policies %+v", o.Policies)
	}
	r, err := study.RedTeamView(st)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range r.Attacks {
		if len(a.Attempts) != study.Attempts || a.Attempts[0].N != a.Conversations || a.Attempts[3].Success.N != a.Conversations || len(a.Topics) < 2 {
			t.Errorf("%s: %+v", a.Policy, a)
		}
		for i := range a.Broken[1:] {
			if a.Broken[i+1].Value < a.Broken[i].Value {
				t.Errorf("%s: broken by attempt %d %v, by the next %v", a.Policy, i+1, a.Broken[i], a.Broken[i+1])
			}
		}
		n := 0
		for _, h := range a.Topics {
			n += h.N
		}
		if n != study.Attempts*a.Conversations {
			t.Errorf("%s: %d responses by topic, want %d", a.Policy, n, study.Attempts*a.Conversations)
		}
	}
	read, err := study.Read(st.Dir())
	if err != nil {
		t.Fatal(err)
	}
	again, err := study.OutOfDistribution(read)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Concat(again.Claims(), r.Claims()) {
		if err := c.Check(); err != nil {
			t.Error(err)
		}
		if strings.HasPrefix(c.ID, "ood-real") != (c.Verdict == study.OutOfReach) {
			t.Errorf("%s is %s", c.ID, c.Verdict)
		}
	}
}

// detected is a model whose classifier and relative distance are better than its distance
// by so much.
func detected(rung, seed int, md, srm, shown float64) study.Detected {
	s := func(x float64) eval.Spread { return eval.Spread{Mean: x, SE: 0.01, Of: []float64{x, x, x}} }
	m := study.Detected{Model: "m", Rung: rung, Seed: seed, Chosen: 2, Shown: []eval.ExposedTo{{M: 10, AUROC: s(shown)}}}
	for layer := range 3 {
		m.Layers = append(m.Layers, study.LayerDetected{Layer: layer, Detection: eval.Detection{MD: s(md), SRM: s(srm)}})
	}
	return m
}

// Verdicts follow from the numbers, both ways.
func TestOODVerdicts(t *testing.T) {
	verdicts := func(o study.OOD) map[string]study.Verdict {
		out := map[string]study.Verdict{}
		for _, c := range o.Claims() {
			if err := c.Check(); err != nil {
				t.Error(err)
			}
			out[c.ID] = c.Verdict
		}
		return out
	}
	var good, bad study.OOD
	for seed := 1; seed <= 3; seed++ {
		x := float64(seed) / 500
		good.Models = append(good.Models, detected(0, seed, 0.6+x, 0.65+x, 0.8), detected(1, seed, 0.7, 0.8-x, 0.9+x))
		bad.Models = append(bad.Models, detected(0, seed, 0.9, 0.6+x, 0.8), detected(1, seed, 0.7, 0.45+10*x, 0.65+x))
		good.Policies = append(good.Policies, study.Declined{Policy: study.KindBase, Seed: seed, Harmless: 0.2 + x, HarmlessDeclining: 0.6, Helpful: 0.2, HelpfulDeclining: 0.18})
		bad.Policies = append(bad.Policies, study.Declined{Policy: study.KindBase, Seed: seed, Harmless: 0.2 + x, HarmlessDeclining: 0.6, Helpful: 0.4, HelpfulDeclining: 0.1})
	}
	one, two := detected(0, 1, 0.6, 0.7, 0.8), detected(0, 1, 0.6, 0.51, 0.61)
	good.Real, bad.Real = &one, &two
	for id, got := range verdicts(good) {
		if got != study.Reproduced {
			t.Errorf("%s is %s", id, got)
		}
	}
	for id, got := range verdicts(bad) {
		if got != study.NotReproduced {
			t.Errorf("from bad numbers %s is %s", id, got)
		}
	}
}

// Where a distance detects everything, examples are not said to have failed.
func TestOODCeiling(t *testing.T) {
	for best, want := range map[float64]study.Verdict{1: study.OutOfReach, 0.95: study.NotReproduced} {
		var o study.OOD
		for seed := 1; seed <= 3; seed++ {
			o.Models = append(o.Models, detected(0, seed, 0.9, best, best))
		}
		for _, c := range o.Claims() {
			if c.ID == "ood-exposure" && c.Verdict != want {
				t.Errorf("at AUROC %v: %s", best, c.Verdict)
			}
		}
	}
}

func TestHarm(t *testing.T) {
	h := study.HarmOf("2", []float64{3, -1, 1, 5}, []rlhf.Gold{{Harmless: -1}, {Harmless: 0}, {Harmless: 0.5}, {Harmless: -0.1}})
	if h.Mean != 2 || h.Ninth[0] != -1 || h.Ninth[4] != 1 || h.Ninth[8] != 5 || math.Abs(h.Gold-0.15) > 1e-12 || h.Success.Value != 0.5 || h.Success.N != 4 {
		t.Errorf("%+v", h)
	}
	if se := math.Sqrt(20.0/3) / 2; math.Abs(h.SE-se) > 1e-12 {
		t.Errorf("s.e. %v, want %v", h.SE, se)
	}
	if low, high := eval.WilsonInterval(2, 4, eval.Z95); h.Success.Low != low || h.Success.High != high {
		t.Errorf("interval %+v", h.Success)
	}
	if h := study.HarmOf("", nil, nil); h.N != 0 || h.Mean != 0 {
		t.Errorf("of nothing: %+v", h)
	}
}

// In the released conversations the response that the worker called worse is the more
// harmful one on average, by a scorer that has not seen them; early or late.
func TestReleasedHarm(t *testing.T) {
	path := filepath.Dir(rltest.Data(t, "hh-rlhf/harmless-base.jsonl.gz"))
	hs, err := study.ReleasedHarm(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(hs) != study.Attempts+1 {
		t.Fatalf("%d turns: %+v", len(hs), hs)
	}
	higher, n := 0, 0
	for i, h := range hs {
		if h.Turn != i+1 || h.Better.N != h.Worse.N || h.Worse.Success.N != 0 {
			t.Errorf("%+v", h)
		}
		if n += h.Worse.N; h.Worse.Mean > h.Better.Mean {
			higher++
		}
	}
	if higher < 4 || n < 500 {
		t.Errorf("the worse response is the more harmful in %d of 5 turns, of %d pairs", higher, n)
	}
}
