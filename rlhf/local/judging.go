package local

import (
	"cmp"
	"fmt"
	"slices"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/synth"
)

// Score implements rlhf.PMRun.
func (h *pmRun) Score(ts []rlhf.Transcript) ([]float64, error) {
	var out []float64
	err := h.with("scoring with", func(r *loadedRun) error {
		scores, err := r.trainee.(*pmModel).model.Score(ts)
		for _, s := range scores {
			out = append(out, float64(s))
		}
		return err
	})
	return out, err
}

// Comparisons implements rlhf.PMRun.
func (h *pmRun) Comparisons(n int) ([]rlhf.Comparison, error) {
	var out []rlhf.Comparison
	err := h.with("reading", func(r *loadedRun) error {
		t := r.trainee.(*pmModel).trial
		out = pick(t.all, t.held[:min(max(n, 0), len(t.held))])
		return nil
	})
	return out, err
}

// Evaluate implements rlhf.PMRun.
func (h *pmRun) Evaluate() (rlhf.PMEval, error) {
	var e rlhf.PMEval
	err := h.with("evaluating", func(r *loadedRun) error {
		m := r.trainee.(*pmModel)
		if len(m.trial.held) == 0 {
			return fmt.Errorf("local: %s held out no comparisons of its %d (HeldOut = %v); use EvaluateOn with other data", h.name, len(m.trial.all), m.cfg.HeldOut)
		}
		js, err := h.lab.judgeHeld(m)
		if err != nil {
			return err
		}
		if e, err = measured(m, m.trial, js); err != nil || m.trial.world != nil {
			return err
		}
		e.Words, err = words(pick(m.trial.all, m.trial.train), js)
		return err
	})
	return e, err
}

// EvaluateOn implements rlhf.PMRun.
func (h *pmRun) EvaluateOn(name string, rows int) (rlhf.PMEval, error) {
	var e rlhf.PMEval
	err := h.with("evaluating", func(r *loadedRun) error {
		m := r.trainee.(*pmModel)
		cfg := rlhf.PM{LM: m.cfg.LM, Data: name, Context: m.cfg.Context, Seed: m.cfg.Seed}.Filled()
		cs, t, err := h.lab.drawn(cfg)
		if err != nil {
			return err
		}
		seen := m.trial.openings()
		fresh := slices.DeleteFunc(slices.Clone(cs), func(c rlhf.Comparison) bool { return seen[data.Opening(c.Chosen.Prompt)] })
		if known := len(cs) - len(fresh); known > 0 {
			t.notes = append(t.notes, fmt.Sprintf("%d of %d comparisons left out: %s was trained on their conversations", known, len(cs), h.name))
		}
		fresh = some(fresh, rows)
		pairs, left, cut := pm.EncodeAll(m.model.Tok, fresh, m.model.Context)
		for _, o := range left {
			t.notes = append(t.notes, fmt.Sprintf("%d left out: %s", o.Rows, o.Reason))
		}
		if cut > 0 {
			t.notes = append(t.notes, fmt.Sprintf("%d prompts lost their oldest turns to fit Context = %d tokens", cut, m.model.Context))
		}
		if len(pairs) == 0 {
			return fmt.Errorf("local: Data = %q: of %d comparisons none is left to evaluate %s on: %v", name, len(cs), h.name, t.notes)
		}
		js, err := h.lab.judge(m.model, fresh, pairs)
		if err != nil {
			return err
		}
		if e, err = measured(m, t, js); err == nil {
			e.Notes = append(e.Notes, t.notes...)
		}
		return err
	})
	return e, err
}

// measured is eval.PM with what only the synthetic world knows.
func measured(m *pmModel, t *trial, js []eval.Judged) (rlhf.PMEval, error) {
	e, err := eval.PM(js)
	if err != nil {
		return e, err
	}
	e.Step = m.done()
	if w := t.world; w != nil {
		gold := eval.Against("gold order", js, func(c rlhf.Comparison) (bool, bool) {
			margin := w.Margin(c, synth.Crowd{})
			return margin > 0, margin != 0
		})
		e.Gold = &gold
		cs := make([]rlhf.Comparison, len(js))
		for i, j := range js {
			cs[i] = j.Comparison
		}
		e.Bayes = w.BayesAccuracy(cs, t.crowd)
	}
	return e, nil
}

// judgeHeld scores the held-out comparisons: with a frozen trunk, from its activations.
func (l *Lab) judgeHeld(m *pmModel) ([]eval.Judged, error) {
	held := pick(m.trial.all, m.trial.held)
	if m.features == nil {
		pairs, _, _ := pm.EncodeAll(m.model.Tok, held, m.model.Context)
		return l.judge(m.model, held, pairs)
	}
	js := make([]eval.Judged, len(held))
	for k, i := range m.trial.held {
		scores, err := m.features.Scores(i)
		if err != nil {
			return nil, err
		}
		js[k] = eval.Judged{Chosen: scores[0], Rejected: scores[1], Comparison: held[k]}
	}
	return js, nil
}

// judgedAtOnce is how many pairs are scored between two looks at the lab's context.
const judgedAtOnce = 512

// judge scores pairs made of cs by length, so that few rows are padded; an interrupt
// ends it between two parts.
func (l *Lab) judge(m *pm.Model, cs []rlhf.Comparison, pairs []pm.Pair) ([]eval.Judged, error) {
	length := func(p pm.Pair) int { return len(p.Prompt) + len(p.Chosen) + len(p.Rejected) }
	slices.SortStableFunc(pairs, func(a, b pm.Pair) int { return cmp.Compare(length(a), length(b)) })
	at := make([]int, len(cs))
	var scored []eval.Judged
	for part := range slices.Chunk(pairs, judgedAtOnce) {
		if err := l.ctx.Err(); err != nil {
			return nil, fmt.Errorf("local: scoring comparisons: %w", err)
		}
		js, err := m.Judge(cs, part)
		if err != nil {
			return nil, err
		}
		for i, p := range part {
			at[p.At] = len(scored) + 1 + i
		}
		scored = append(scored, js...)
	}
	js := make([]eval.Judged, 0, len(scored))
	for _, k := range at { // in the order of cs again
		if k > 0 {
			js = append(js, scored[k-1])
		}
	}
	return js, nil
}

// fewestForWords is how many training comparisons of a tranche a bag of words needs.
const fewestForWords = 50

// words compares the model with bags of words trained on the same comparisons, one a
// tranche; nil where there are too few.
func words(train []rlhf.Comparison, js []eval.Judged) (*rlhf.Rival, error) {
	by := map[string][]rlhf.Comparison{}
	for _, c := range train {
		by[c.Tranche] = append(by[c.Tranche], c)
	}
	bags := map[string]*eval.Bag{}
	var ours, theirs []eval.Judged
	for _, j := range js {
		t := j.Comparison.Tranche
		if len(by[t]) < fewestForWords {
			continue
		}
		if bags[t] == nil {
			var err error
			if bags[t], err = eval.TrainBagOfWords(by[t], eval.BagOfWords{}); err != nil {
				return nil, fmt.Errorf("local: the bag of words of %s: %w", t, err)
			}
		}
		ours, theirs = append(ours, j), append(theirs, bags[t].Judge([]rlhf.Comparison{j.Comparison})...)
	}
	if len(theirs) == 0 {
		return nil, nil
	}
	d, err := eval.Difference(ours, theirs)
	if err != nil {
		return nil, err
	}
	return &rlhf.Rival{Accuracy: eval.Accuracy("bag of words", theirs), Difference: d.Mean, SE: d.SE}, nil
}
