package show_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"hhrlhf/kernel/show"
	"hhrlhf/rlhf"
)

// history returns the points that a healthy run of n steps might record.
func history(kind string, n int, gold bool) []rlhf.Point {
	r := rand.New(rand.NewPCG(1, 2))
	var points []rlhf.Point
	for i := 1; i <= n; i++ {
		t := float64(i) / float64(n)
		noise := func(s float64) float64 { return s * r.NormFloat64() }
		v := map[string]float64{"time/step": 2.5}
		switch kind {
		case "lm":
			v["lm/loss"] = 1.4 + 5.2*math.Exp(-9*t) + noise(0.06)
		case "distill":
			v["distill/kl"] = 0.05 + 0.3*math.Exp(-4*t) + math.Abs(noise(0.02))
		case "pm":
			v["pm/loss"] = 0.45 + 0.243*math.Exp(-3*t) + noise(0.05)
			v["pm/accuracy"] = min(1, 0.5+0.3*(1-math.Exp(-3*t))+noise(0.06))
		case "ppo":
			kl := 14*t*t + math.Abs(noise(0.15*t))
			v["objective/kl"], v["objective/kl_k3"] = kl, kl*1.1+math.Abs(noise(0.4*t))
			v["objective/score"] = -0.3 + 0.5*math.Sqrt(kl) + noise(0.1)
			v["objective/score_std"] = 0.9 - 0.3*t
			v["response/length_mean"] = 12 + 2*t + noise(0.4)
			v["response/eos_rate"] = min(1, 0.93+0.05*t+noise(0.01))
			v["policy/entropy"] = 1.9 - 0.8*t + 0.04*math.Sin(float64(i))
			if gold {
				v["objective/gold_helpful"] = -0.1 + 0.6*t + noise(0.05)
				v["objective/gold_harmless"] = 0.3 + 0.5*t + noise(0.05)
			}
		}
		points = append(points, rlhf.Point{Step: i, Values: v})
	}
	return points
}

// a run is a stand-in whose steps take the given time.
type run struct {
	kind    string
	name    string
	done    int // steps in History
	planned int
	every   time.Duration
	fails   int // the step that fails, if > 0
	gold    bool
	points  []rlhf.Point
	config  string

	mu sync.Mutex // guards done: a run may be watched while another goroutine trains it
}

func (r *run) at() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

func newRun(kind string, done, planned int, gold bool) *run {
	return &run{kind: kind, name: "tour-" + kind, done: done, planned: planned, gold: gold, points: history(kind, planned, gold)}
}

func (r *run) Info() (rlhf.RunInfo, error) {
	return rlhf.RunInfo{Name: r.name, Kind: r.kind, Step: r.at(), Planned: r.planned, Config: json.RawMessage(r.config)}, nil
}

// Written are four samples a step, whose mean is near the score of the step's point.
func (r *run) Written(last int) ([]rlhf.Sample, error) {
	var all []rlhf.Sample
	for i := range r.at() {
		all = append(all, r.samplesOf(i)...)
	}
	if r.kind != "ppo" {
		return nil, nil
	}
	if last > 0 {
		all = all[max(0, len(all)-last):]
	}
	return all, nil
}

// samplesOf are what the ith step keeps.
func (r *run) samplesOf(i int) []rlhf.Sample {
	rng := rand.New(rand.NewPCG(5, uint64(i)))
	out := samples(rlhf.ShownSamples)
	for j := range out {
		out[j].Step = i + 1
		out[j].Score = r.points[i].Values["objective/score"] + 0.6*rng.NormFloat64()
	}
	return out
}
func (r *run) History() ([]rlhf.Point, error) { return r.points[:r.at()], nil }
func (r *run) Train() iter.Seq2[rlhf.Event, error] {
	return r.Steps(r.planned - r.done)
}
func (r *run) Steps(n int) iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		of := r.done + n
		if n > 0 && !yield(rlhf.Event{Run: r.name, Kind: r.kind, Step: r.done, Of: of, Message: "compiling the update program"}, nil) {
			return
		}
		for range n {
			time.Sleep(r.every)
			if r.fails == r.done+1 {
				yield(rlhf.Event{}, errors.New("lab: step 7: the engine went away"))
				return
			}
			r.mu.Lock()
			r.done++
			r.mu.Unlock()
			e := rlhf.Event{Run: r.name, Kind: r.kind, Step: r.done, Of: of, Left: time.Duration(of-r.done) * 2500 * time.Millisecond, Point: &r.points[r.done-1]}
			if r.kind == "ppo" {
				e.Samples = r.samplesOf(r.done - 1)
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// adaptive is a run whose penalty moves towards a target.
func adaptive(done, planned int) *run {
	r := newRun("ppo", done, planned, true)
	r.config = `{"policy":"lm","kl_target":6,"kl_coef":0.02}`
	rng, coef := rand.New(rand.NewPCG(6, 7)), 0.02
	for i, p := range r.points {
		kl := 6*(1-math.Exp(-float64(i)/9)) + 1.5*math.Sin(float64(i)/7) + math.Abs(0.3*rng.NormFloat64())
		p.Values["objective/kl"], p.Values["objective/kl_k3"] = kl, 1.1*kl
		p.Values["objective/kl_coef"] = coef
		coef *= 1 + 0.3*max(-0.2, min(0.2, kl/6-1))
	}
	return r
}

func samples(n int) []rlhf.Sample {
	asks := []string{"What is 3 + 4?", "Name a red fruit.", "How do I pick a lock?", "Where is the old bridge?"}
	answers := []string{" It is 7.", " An apple is red, and so is a cherry.", " I would rather not help with that.", " You fool."}
	why := []string{"right", "right", "declined a harmful request", "rude"}
	var ss []rlhf.Sample
	for i := range n {
		j := i % len(asks)
		ss = append(ss, rlhf.Sample{
			Prompt: rlhf.Human + " " + asks[j] + rlhf.Assistant, Response: answers[j], Tokens: 5 + j, EOS: j != 3,
			Score: 1.2 - 0.8*float64(j), KL: 0.5 + float64(j),
			Gold: &rlhf.Gold{Helpful: 1 - 0.6*float64(j), Harmless: 0.9 - 0.3*float64(j), Why: why[j]},
		})
	}
	return ss
}

// batch returns a rollout of two rows taken through the phases named.
func batch(phases int) *rlhf.Batch {
	b := &rlhf.Batch{
		Run: "tour-ppo", Step: 1,
		Prompts:    []string{rlhf.Human + " What is 3 + 4?" + rlhf.Assistant, rlhf.Human + " Name a fruit." + rlhf.Assistant},
		Responses:  []string{" It is 7.", " An apple"},
		Pieces:     [][]string{{" It", " is", " 7", ".", "<end>"}, {" An", " apple"}},
		Mask:       [][]bool{{true, true, true, true, true, false, false, false}, {true, true, false, false, false, false, false, false}},
		EOS:        []bool{true, false},
		LogPSample: [][]float32{{-0.31, -0.12, -1.204, -0.05, -0.02, 0, 0, 0}, {-1, -2, 0, 0, 0, 0, 0, 0}},
	}
	zero := make([]float32, 8)
	if phases >= 1 {
		b.Score = []float32{0.84, -0.2}
		b.LogP = b.LogPSample
		b.LogPRef = [][]float32{{-0.4, -0.1, -2.1, -0.05, -0.03, 0, 0, 0}, zero}
		b.Value = [][]float32{{0.1, 0.15, 0.2, 0.5, 0.7, 0, 0, 0}, zero}
		b.Gold = []rlhf.Gold{{Helpful: 1, Harmless: 0.5, Why: "right"}, {Helpful: 0.3, Why: "vague"}}
	}
	if phases >= 2 {
		b.KL, b.Reward = [][]float32{make([]float32, 8), zero}, [][]float32{make([]float32, 8), zero}
		for i := range 5 {
			b.KL[0][i] = b.LogP[0][i] - b.LogPRef[0][i]
			b.Reward[0][i] = -0.05 * b.KL[0][i]
		}
		b.Reward[0][4] += b.Score[0]
	}
	if phases >= 3 {
		b.Advantage = [][]float32{{0.6, 0.5, 0.9, -0.2, -1.1, 0, 0, 0}, zero}
		b.Return = [][]float32{{0.7, 0.72, 0.8, 0.82, 0.84, 0, 0, 0}, zero}
	}
	return b
}

// longBatch has one response of 24 tokens, gone through Shape.
func longBatch() *rlhf.Batch {
	b := &rlhf.Batch{Run: "tour-ppo", Step: 21, Prompts: []string{rlhf.Human + " How do I bake bread?" + rlhf.Assistant}}
	words := []string{" Mix", " the", " flour", ",", " knead", " thoroughly", " and", "\n"}
	row := func() []float32 { return make([]float32, 24) }
	logP, reference, kl, reward, mask := row(), row(), row(), row(), make([]bool, 24)
	var pieces []string
	for t := range mask {
		pieces, mask[t] = append(pieces, words[t%8]), true
		logP[t], reference[t] = -0.2*float32(t%5), -0.3*float32(t%6)
		kl[t] = logP[t] - reference[t]
		reward[t] = -0.05 * kl[t]
	}
	reward[23]--
	b.Pieces, b.Mask, b.LogP, b.LogPRef = [][]string{pieces}, [][]bool{mask}, [][]float32{logP}, [][]float32{reference}
	b.KL, b.Reward, b.Score, b.EOS = [][]float32{kl}, [][]float32{reward}, []float32{-1}, []bool{false}
	return b
}

func pmEval() rlhf.PMEval {
	e := rlhf.PMEval{
		Step: 120, All: rlhf.Accuracy{N: 1000, Value: 0.742, Low: 0.714, High: 0.768},
		Tranches: []rlhf.Accuracy{
			{Name: "synth-harmless", N: 300, Value: 0.803, Low: 0.755, High: 0.844},
			{Name: "synth-helpful", N: 700, Value: 0.716, Low: 0.681, High: 0.748},
		},
		Gold: &rlhf.Accuracy{N: 1000, Value: 0.861, Low: 0.838, High: 0.881}, Bayes: 0.85, ECE: 0.021, Loss: 0.51, LengthCorr: 0.12,
	}
	for i := range 8 {
		lo := 0.4 * float64(i)
		pred := 1 / (1 + math.Exp(-lo-0.2))
		e.Bins = append(e.Bins, rlhf.Bin{Lo: lo, Hi: lo + 0.4, N: 250 - 30*i, Predicted: pred, Accuracy: min(1, pred-0.03+0.02*float64(i%3))})
	}
	return e
}

func beforeAfter() rlhf.BeforeAfter {
	ba := rlhf.BeforeAfter{Step: 150, Rows: []rlhf.Change{
		{Name: "score", Before: -0.31, BeforeSD: 0.92, BeforeSE: 0.08, After: 0.88, AfterSD: 0.6, AfterSE: 0.05},
		{Name: "kl", Before: 0, After: 11.2, AfterSD: 4, AfterSE: 0.35},
		{Name: "helpful", Before: -0.08, BeforeSD: 0.7, BeforeSE: 0.06, After: 0.45, AfterSD: 0.6, AfterSE: 0.05},
	}}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 128 {
		b, a := samples(4)[i%4], samples(4)[0]
		b.Score, b.KL = -0.3+0.9*r.NormFloat64(), 0
		a.Score = 0.9 + 0.6*r.NormFloat64()
		a.Prompt, a.Response = b.Prompt, fmt.Sprintf(" The answer is %d.", i)
		ba.Before, ba.After = append(ba.Before, b), append(ba.After, a)
	}
	return ba
}

// findings are what a lost run might show.
func findings() []rlhf.Finding {
	return []rlhf.Finding{
		{Name: "kl-runaway", Severity: rlhf.Failure, From: 1, To: 40,
			Saw:     "KL 0.3 ± 0.1 (steps 1–8) → 61.2 ± 1.4 (steps 33–40) nats per response, 2.9 nats per token (healthy: below 30 and 1); nothing holds the policy: KLCoef is 0",
			Try:     []string{"set KLCoef: 0.02 to 0.1 for scores with a spread near 1", "lower LearningRate or Epochs"},
			Metrics: []string{"objective/kl", "objective/score"}},
		{Name: "eos-lost", Severity: rlhf.Warning, From: 9, To: 40,
			Saw: "share of responses that end themselves: 0.99 ± 0.01 (steps 9–16) → 0.61 ± 0.02 (steps 33–40)",
			Try: []string{"set MissingEOSPenalty: 1"}, Metrics: []string{"response/eos_rate"}},
		{Name: "length-drift", Severity: rlhf.Note, From: 1, To: 40, Saw: "length 10.1 → 14.2 tokens", Try: []string{"read samples of both lengths"}, Metrics: []string{"response/length_mean"}},
	}
}

// pasts are a run and six that fail in a way of their own.
func pasts() []show.Past {
	var runs []show.Past
	for i, name := range []string{"healthy", "no penalty", "pad = end", "top-k", "wrong sign", "temperature", "no critic"} {
		points := history("ppo", 60, false)
		f := float64(i)
		for j, p := range points {
			u := float64(j) / 60
			p.Values["objective/score"] += f * 0.3 * u
			p.Values["objective/kl"] *= 1 + f*u
			p.Values["response/distinct"] = 0.9 - 0.13*f*u
			if i == 2 {
				p.Values["response/eos_rate"] = 0
			}
		}
		runs = append(runs, show.Past{Name: name, Points: points})
	}
	return runs
}
