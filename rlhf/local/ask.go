package local

import (
	"iter"

	"hhrlhf/rlhf"
)

// lmRun is the handle of every language model.
type lmRun struct{ base }

// Evaluate implements rlhf.LMRun.
func (h *lmRun) Evaluate() (rlhf.LMEval, error) {
	var e rlhf.LMEval
	err := h.with("evaluating", func(r *loadedRun) (err error) {
		e, err = h.speaker(r).evaluate()
		e.Step = r.done()
		return err
	})
	return e, err
}

// EvaluateOn implements rlhf.LMRun.
func (h *lmRun) EvaluateOn(data string, rows int) (rlhf.LMEval, error) {
	var e rlhf.LMEval
	err := h.with("evaluating", func(r *loadedRun) (err error) {
		e, err = h.speaker(r).evaluateOn(data, rows)
		e.Step = r.done()
		return err
	})
	return e, err
}

// Sample implements rlhf.LMRun.
func (h *lmRun) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	var out []rlhf.Sample
	err := h.with("sampling from", func(r *loadedRun) (err error) {
		out, err = h.speaker(r).answer(prompts, o)
		return err
	})
	return out, err
}

// Read implements rlhf.LMRun.
func (h *lmRun) Read(text string) ([]rlhf.Token, error) {
	var out []rlhf.Token
	err := h.with("reading with", func(r *loadedRun) (err error) {
		out, err = h.speaker(r).read(text)
		return err
	})
	return out, err
}

// LogP implements rlhf.LMRun.
func (h *lmRun) LogP(ts []rlhf.Transcript) ([]float64, error) {
	var out []float64
	err := h.with("scoring with", func(r *loadedRun) (err error) {
		out, err = h.speaker(r).logP(ts)
		return err
	})
	return out, err
}

// Predict implements rlhf.LMRun.
func (h *lmRun) Predict(ts []rlhf.Transcript) ([]rlhf.Prediction, error) {
	var out []rlhf.Prediction
	err := h.with("scoring with", func(r *loadedRun) (err error) {
		out, err = h.speaker(r).pieces(ts)
		return err
	})
	return out, err
}

// Stream implements rlhf.LMRun.
func (h *lmRun) Stream(prompt string, o rlhf.Sampling) iter.Seq2[string, error] {
	return h.write(func(s speaker) iter.Seq2[string, error] { return s.stream(prompt, o) })
}

// Chat implements rlhf.LMRun.
func (h *lmRun) Chat(turns []rlhf.Turn, o rlhf.Sampling) iter.Seq2[string, error] {
	return h.write(func(s speaker) iter.Seq2[string, error] { return s.chat(turns, o) })
}

// write yields the pieces of a text with the run loaded and the device held.
func (h *lmRun) write(pieces func(s speaker) iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		stopped := false
		err := h.with("sampling from", func(r *loadedRun) error {
			for text, err := range pieces(h.speaker(r)) {
				if err == nil {
					err = h.lab.ctx.Err()
				}
				if err != nil {
					return err
				}
				if stopped = !yield(text, nil); stopped {
					break
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield("", err)
		}
	}
}

func (h *lmRun) speaker(r *loadedRun) speaker {
	s := r.trainee.(speaker)
	s.in(h.lab)
	return s
}
