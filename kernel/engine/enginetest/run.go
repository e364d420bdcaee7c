package enginetest

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"hhrlhf/rlhf"
)

// B and R are the rows and response tokens of every [rlhf.Batch].
const (
	B = 4
	R = 6
)

// A run is any run: its methods are those of an rlhf.LMRun.
type run struct {
	l   *Lab
	rec *record
}

func (r run) Info() (rlhf.RunInfo, error) {
	r.l.w.mu.Lock()
	defer r.l.w.mu.Unlock()
	return r.rec.Info, nil
}

func (r run) History() ([]rlhf.Point, error) {
	r.l.w.mu.Lock()
	defer r.l.w.mu.Unlock()
	return append([]rlhf.Point{}, r.rec.Points...), nil
}

func (r run) Steps(n int) iter.Seq2[rlhf.Event, error] {
	return func(yield func(rlhf.Event, error) bool) {
		info, _ := r.Info()
		defer r.l.w.watch.Drive(info.Name)()
		done, err := r.l.begin("Steps", info.Name)
		if err != nil {
			yield(rlhf.Event{}, err)
			return
		}
		defer done()
		of := info.Step + n
		for step := info.Step + 1; step <= of; step++ {
			if err := r.l.ctx.Err(); err != nil {
				yield(rlhf.Event{}, err)
				return
			}
			if r.l.w.o.Hook != nil {
				if err := r.l.w.o.Hook("Step", info.Name); err != nil {
					yield(rlhf.Event{}, err)
					return
				}
			}
			p, err := r.step()
			if err != nil {
				yield(rlhf.Event{}, err)
				return
			}
			ev := rlhf.Event{
				Run: info.Name, Kind: info.Kind, Step: step, Of: of,
				Left: time.Duration(of-step) * r.l.w.o.Step, Point: &p,
			}
			if info.Kind == "ppo" {
				ev.Samples = r.kept(step)
			}
			r.l.w.watch.Tell(ev)
			if !yield(ev, nil) {
				return
			}
		}
	}
}

func (r run) Train() iter.Seq2[rlhf.Event, error] {
	info, _ := r.Info()
	return r.Steps(max(0, info.Planned-info.Step))
}

func (r run) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	done, err := r.l.begin("Sample", r.rec.Info.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	time.Sleep(r.l.w.o.Step)
	return r.samples(prompts, o.Seed), nil
}

func (r run) Evaluate() (rlhf.LMEval, error) {
	done, err := r.l.begin("Evaluate", r.rec.Info.Name)
	if err != nil {
		return rlhf.LMEval{}, err
	}
	defer done()
	time.Sleep(r.l.w.o.Step)
	return rlhf.LMEval{Tokens: 100, Loss: 1.25, SE: 0.1, PerByte: 0.4, Baseline: 3.5, Step: r.rec.Info.Step}, nil
}

func (r run) EvaluateOn(data string, rows int) (rlhf.LMEval, error) {
	e, err := r.Evaluate()
	e.Tokens = len(data) * rows
	return e, err
}

// LogP is minus a third of the response's length.
func (r run) LogP(ts []rlhf.Transcript) ([]float64, error) {
	done, err := r.l.begin("LogP", r.rec.Info.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	out := make([]float64, len(ts))
	for i, t := range ts {
		out[i] = -float64(len(t.Response)) / 3
	}
	return out, nil
}

// Predict finds a piece of text the likelier the shorter it is.
func (r run) Predict(ts []rlhf.Transcript) ([]rlhf.Prediction, error) {
	done, err := r.l.begin("Predict", r.rec.Info.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	out := make([]rlhf.Prediction, len(ts))
	for i, t := range ts {
		n := len(strings.Fields(t.Response))
		out[i] = rlhf.Prediction{LogP: -float64(len(t.Response)) / 3, Tokens: n, First: n / 2}
	}
	return out, nil
}

// Activations' entries are the length of the text over 3, plus the layer.
func (r run) Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error) {
	done, err := r.l.begin("Activations", r.rec.Info.Name)
	if err != nil {
		return rlhf.Activations{}, err
	}
	defer done()
	if len(texts) == 0 {
		return rlhf.Activations{}, errors.New("enginetest: Activations: no texts")
	}
	a := rlhf.Activations{Layers: p.Layers, Width: 2}
	for _, s := range texts {
		var at [][]float32
		for _, l := range p.Layers {
			at = append(at, []float32{float32(len(s))/3 + float32(l), float32(l)})
		}
		a.Texts = append(a.Texts, at)
	}
	return a, nil
}

// Read's tokens are the words of the text.
func (r run) Read(text string) ([]rlhf.Token, error) {
	done, err := r.l.begin("Read", r.rec.Info.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	var out []rlhf.Token
	for i, w := range strings.Fields(text) {
		out = append(out, rlhf.Token{ID: int32(i), Piece: w, LogP: -1, Rank: 1, Next: []rlhf.Guess{{ID: int32(i), Piece: w, LogP: -1, Logit: 2}}})
	}
	return out, nil
}

// Stream writes the words of the prompt, each in a step's time.
func (r run) Stream(prompt string, o rlhf.Sampling) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		done, err := r.l.begin("Stream", r.rec.Info.Name)
		if err != nil {
			yield("", err)
			return
		}
		defer done()
		for _, w := range strings.Fields(prompt) {
			time.Sleep(r.l.w.o.Step)
			if err := r.l.ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(" "+w, nil) {
				return
			}
		}
	}
}

// Chat writes the words of the last turn.
func (r run) Chat(turns []rlhf.Turn, o rlhf.Sampling) iter.Seq2[string, error] {
	if len(turns) == 0 {
		return func(yield func(string, error) bool) { yield("", errors.New("enginetest: no turns")) }
	}
	return r.Stream(turns[len(turns)-1].Text, o)
}

// step does one step: it takes its time, and is written before it is told.
func (r run) step() (rlhf.Point, error) {
	time.Sleep(r.l.w.o.Step)
	r.l.w.mu.Lock()
	defer r.l.w.mu.Unlock()
	r.rec.Info.Step++
	step := r.rec.Info.Step
	rnd := random(r.rec.Info.Name, uint64(step))
	p := rlhf.Point{Step: step, Values: map[string]float64{
		"objective/score": float64(step)/50 + rnd.Float64()/10,
		"objective/kl":    float64(step) / 10 * rnd.Float64(),
		"lr":              0.001,
	}}
	r.rec.Points = append(r.rec.Points, p)
	return p, r.l.w.save(r.rec)
}

func (r run) samples(prompts []string, seed uint64) []rlhf.Sample {
	rnd := random(r.rec.Info.Name, seed)
	out := make([]rlhf.Sample, len(prompts))
	for i, p := range prompts {
		text := fmt.Sprintf(" It is %d.", rnd.IntN(10))
		out[i] = rlhf.Sample{
			Prompt: p, Response: cmp.Or(r.l.w.o.Text, text), Tokens: 5, EOS: true,
			Score: rnd.NormFloat64(), KL: rnd.Float64(), Gold: &rlhf.Gold{Helpful: rnd.Float64(), Why: "right"},
		}
	}
	return out
}

type pmRun struct{ run }

func (r pmRun) Score(ts []rlhf.Transcript) ([]float64, error) {
	done, err := r.l.begin("Score", r.rec.Info.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	out := make([]float64, len(ts))
	for i, t := range ts {
		out[i] = 1 / float64(1+len(t.Response))
	}
	return out, nil
}

func (r pmRun) Evaluate() (rlhf.PMEval, error) {
	done, err := r.l.begin("Evaluate", r.rec.Info.Name)
	if err != nil {
		return rlhf.PMEval{}, err
	}
	defer done()
	acc := rlhf.Accuracy{Name: "all", N: 200, Value: 0.7, Low: 0.633, High: 0.759}
	return rlhf.PMEval{
		Step: r.rec.Info.Step, All: acc, Tranches: []rlhf.Accuracy{acc}, Gold: &acc, Bayes: 0.9, Loss: 0.6, ECE: 0.02,
		Bins: []rlhf.Bin{{Lo: 0, Hi: 1, N: 10, Accuracy: 0.6, Predicted: 0.62}},
	}, nil
}

func (r pmRun) EvaluateOn(data string, rows int) (rlhf.PMEval, error) {
	if data == "" {
		return rlhf.PMEval{}, errors.New(`fake: Data = ""`)
	}
	e, err := r.Evaluate()
	e.All.N = rows
	return e, err
}

func (r pmRun) Comparisons(n int) ([]rlhf.Comparison, error) {
	out := make([]rlhf.Comparison, min(max(n, 0), 1000))
	for i := range out {
		prompt := fmt.Sprintf("\n\nHuman: %d+1?\n\nAssistant:", i)
		out[i] = rlhf.Comparison{
			Chosen:   rlhf.Transcript{Prompt: prompt, Response: fmt.Sprintf(" %d.", i+1)},
			Rejected: rlhf.Transcript{Prompt: prompt, Response: " Who cares?"},
			Tranche:  "synth-helpful", Source: fmt.Sprintf("synth:%d", i),
		}
	}
	return out, nil
}

func (r pmRun) BestOf(policy string, prompts []string, k int, o rlhf.Sampling) ([]rlhf.Choice, error) {
	if k < 1 || k > 1<<18 {
		return nil, fmt.Errorf("enginetest: BestOf: k = %d, want 1 to %d", k, 1<<18)
	}
	by, err := r.l.open(policy, "")
	if err != nil {
		return nil, err
	}
	done, err := r.l.begin("BestOf", r.rec.Info.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	time.Sleep(r.l.w.o.Step)
	var out []rlhf.Choice
	for i, p := range prompts {
		out = append(out, rlhf.Choose(p, by.samples(slices.Repeat([]string{p}, k), o.Seed+uint64(i))))
	}
	return out, nil
}

type ppoRun struct{ run }

// Snapshot makes a language model that knows nothing but its origin.
func (r ppoRun) Written(last int) ([]rlhf.Sample, error) { return r.l.Written(r.rec.Info.Name, last) }

func (r ppoRun) Snapshot(name string) (rlhf.LMRun, error) {
	info, _ := r.Info()
	if err := r.l.create(name, "lm", rlhf.LM{From: info.Name, Planned: rlhf.Untrained, Seed: uint64(info.Step)}, rlhf.Untrained); err != nil {
		return nil, err
	}
	return r.l.OpenLM(name)
}

func (r ppoRun) Rollout() (*rlhf.Batch, error) {
	done, err := r.l.begin("Rollout", r.rec.Info.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	time.Sleep(r.l.w.o.Step)
	info, _ := r.Info()
	rnd := random(info.Name, uint64(info.Step+1))
	b := &rlhf.Batch{Run: info.Name, Step: info.Step + 1, LogPSample: rows(rnd)}
	for i := range B {
		n := 1 + rnd.IntN(R)
		mask, ids, pieces := make([]bool, R), make([]int32, R), make([]string, n)
		for t := range n {
			mask[t], ids[t], pieces[t] = true, rnd.Int32N(500), "·"
		}
		b.Prompts = append(b.Prompts, fmt.Sprintf("\n\nHuman: %d+1?\n\nAssistant:", i))
		b.PromptIDs = append(b.PromptIDs, []int32{1, 2, 3})
		b.Responses = append(b.Responses, " <é>& yes")
		b.Mask, b.ResponseIDs, b.Pieces = append(b.Mask, mask), append(b.ResponseIDs, ids), append(b.Pieces, pieces)
		b.EOS = append(b.EOS, n < R)
		b.Gold = append(b.Gold, rlhf.Gold{Helpful: 1, Why: "right"})
	}
	return b, nil
}

func (r ppoRun) Score(b *rlhf.Batch) error {
	return r.phase("Score", b, func(rnd *rand.Rand) {
		b.Score, b.LogP, b.LogPRef, b.Value = rows(rnd)[0][:B], rows(rnd), rows(rnd), rows(rnd)
	})
}

func (r ppoRun) Shape(b *rlhf.Batch) error {
	return r.phase("Shape", b, func(*rand.Rand) {
		b.KL, b.Reward = zeros(), zeros()
		for i := range b.KL {
			for t := range b.KL[i] {
				b.KL[i][t] = b.LogP[i][t] - b.LogPRef[i][t]
				b.Reward[i][t] = -0.01 * b.KL[i][t]
			}
			b.Reward[i][0] += b.Score[i]
		}
	})
}

func (r ppoRun) Advantages(b *rlhf.Batch) error {
	return r.phase("Advantages", b, func(*rand.Rand) {
		b.Advantage, b.Return = zeros(), zeros()
		for i := range b.Advantage {
			for t := range b.Advantage[i] {
				b.Advantage[i][t] = b.Reward[i][t] - b.Value[i][t]
				b.Return[i][t] = b.Advantage[i][t] + b.Value[i][t]
			}
		}
	})
}

func (r ppoRun) Update(b *rlhf.Batch) (rlhf.Point, error) {
	if err := r.phase("Update", b, func(*rand.Rand) {}); err != nil {
		return rlhf.Point{}, err
	}
	p, err := r.step()
	if err == nil {
		info, _ := r.Info()
		r.l.w.watch.Tell(rlhf.Event{Run: info.Name, Kind: info.Kind, Step: p.Step, Of: max(p.Step, info.Planned), Point: &p, Samples: b.Samples(rlhf.ShownSamples)})
	}
	return p, err
}

func (r ppoRun) Compare(n int) (rlhf.BeforeAfter, error) {
	done, err := r.l.begin("Compare", r.rec.Info.Name)
	if err != nil {
		return rlhf.BeforeAfter{}, err
	}
	defer done()
	if n < 1 || n > 1000 {
		return rlhf.BeforeAfter{}, fmt.Errorf("enginetest: Compare(%d): there are 1000 held-out prompts", n)
	}
	prompts := make([]string, n)
	return rlhf.BeforeAfter{
		Step: r.rec.Info.Step, Before: r.samples(prompts, 1), After: r.samples(prompts, 2),
		Rows: []rlhf.Change{{Name: "score", Before: 0.1, BeforeSD: 0.5, After: 0.9, AfterSD: 0.4, BeforeSE: 0.1, AfterSE: 0.1}},
	}, nil
}

// phase does one phase of the next step on b.
func (r ppoRun) phase(method string, b *rlhf.Batch, f func(*rand.Rand)) error {
	done, err := r.l.begin(method, r.rec.Info.Name)
	if err != nil {
		return err
	}
	defer done()
	time.Sleep(r.l.w.o.Step)
	info, _ := r.Info()
	if b.Run != info.Name || b.Step != info.Step+1 {
		return fmt.Errorf("enginetest: %s of run %q, step %d, given a batch of run %q, step %d: %w", method, info.Name, info.Step+1, b.Run, b.Step, errNoBatch)
	}
	f(random(info.Name+method, uint64(b.Step)))
	return nil
}

func zeros() [][]float32 {
	m := make([][]float32, B)
	for i := range m {
		m[i] = make([]float32, R)
	}
	return m
}

func rows(rnd *rand.Rand) [][]float32 {
	m := zeros()
	for i := range m {
		for t := range m[i] {
			m[i][t] = float32(rnd.NormFloat64())
		}
	}
	return m
}

// random returns the stream of a run and a step.
func random(name string, step uint64) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(h, step))
}
