package local

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/tokenizer"
)

// Activations implements rlhf.LMRun.
func (h *lmRun) Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error) {
	var a rlhf.Activations
	err := h.with("probing", func(r *loadedRun) (err error) {
		a, err = h.speaker(r).Activations(texts, p)
		return err
	})
	return a, err
}

// Activations is rlhf.LMRun.Activations of the model.
func (m *Model) Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error) {
	release, err := m.acquire(m.lab.ctx, "probing")
	if err != nil {
		return rlhf.Activations{}, err
	}
	defer release()
	weights, err := m.Weights()
	if err != nil {
		return rlhf.Activations{}, err
	}
	return m.lab.probe(m.Shape, weights, texts, p, func(text string) ([]int32, error) { return m.prompt(text, 0) })
}

// Activations implements rlhf.PMRun.
func (h *pmRun) Activations(texts []string, p rlhf.Probe) (rlhf.Activations, error) {
	var a rlhf.Activations
	err := h.with("probing", func(r *loadedRun) (err error) {
		m := r.trainee.(*pmModel).model
		a, err = h.lab.probe(m.Shape, m.Weights, texts, p, func(text string) ([]int32, error) {
			ids, _, ok := tokenizer.FitPrompt(m.Tok, text, m.Context)
			if !ok {
				return nil, fmt.Errorf("its last question alone has more than %d tokens, the model's context", m.Context)
			}
			return ids, nil
		})
		return err
	})
	return a, err
}

// probe reads activations of texts, rlhf.ProbedAtOnce at a time.
func (l *Lab) probe(shape lm.Shape, weights []*tensors.Tensor, texts []string, p rlhf.Probe, encode func(string) ([]int32, error)) (rlhf.Activations, error) {
	a := rlhf.Activations{Layers: p.Layers, Width: shape.Width}
	if a.Layers == nil {
		for k := range shape.Layers + 1 {
			a.Layers = append(a.Layers, k)
		}
	}
	switch {
	case len(texts) == 0:
		return a, errors.New("local: Activations: no texts")
	case !slices.Contains([]string{"", rlhf.LastToken, rlhf.MeanToken}, p.Pool):
		return a, fmt.Errorf("local: Activations: Pool = %q, want %q or %q", p.Pool, rlhf.LastToken, rlhf.MeanToken)
	case rlhf.ProbedAtOnce*len(a.Layers)*shape.Width > rlhf.MostProbed:
		return a, fmt.Errorf("local: Activations: %d texts of %d layers of width %d are more than %d numbers at a time; name fewer in Layers", rlhf.ProbedAtOnce, len(a.Layers), shape.Width, rlhf.MostProbed)
	}
	seqs := make([][]int32, len(texts))
	for i, text := range texts {
		var err error
		if seqs[i], err = encode(text); err != nil {
			return a, fmt.Errorf("local: Activations: text %d: %w", i, err)
		}
	}
	prober := l.askPrograms(shape).prober
	for part := range slices.Chunk(seqs, rlhf.ProbedAtOnce) {
		at, err := prober.Probe(weights, part, a.Layers, p.Pool == rlhf.MeanToken, l.ctx.Err)
		if err != nil {
			return a, fmt.Errorf("local: Activations: %d of %d texts read: %w", len(a.Texts), len(texts), err)
		}
		a.Texts = append(a.Texts, at...)
	}
	return a, nil
}
