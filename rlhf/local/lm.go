package local

import (
	"fmt"
	"iter"
	"math"
	"path/filepath"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/tokenizer"
)

// lmRun is the handle, lmModel what is loaded behind it.
type lmRun struct {
	base
	cfg rlhf.LM
}

type lmModel struct {
	*lm.Trainer
	tok     *tokenizer.BPE
	heldOut lm.Rows
	held    []rlhf.Transcript
	corpus  *corpus
	unigram float64 // loss of the unigram model on the held-out tokens
	talk    *speaker
}

func (m *lmModel) done() int                     { return m.State.Updates }
func (m *lmModel) states() map[string]*fit.State { return map[string]*fit.State{"lm": m.State} }
func (m *lmModel) names() map[string][]string {
	return map[string][]string{"lm": lm.Names(m.Shape().Weights())}
}
func (m *lmModel) close() { m.State.Free() }

func (m *lmModel) advance() (rlhf.Point, []rlhf.Sample, error) {
	values, err := m.Step()
	return rlhf.Point{Step: m.State.Updates, Values: values}, nil, err
}

// LM implements rlhf.Lab.
func (l *Lab) LM(name string, cfg rlhf.LM) (rlhf.LMRun, error) {
	cfg = cfg.Filled()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	err := l.ensure(name, "lm", cfg.Seed, cfg, func(m *run.Manifest, f *facts) (func(string) error, error) {
		c, err := l.open(cfg.Data, cfg.Rows)
		if err != nil {
			return nil, err
		}
		train, _, info, err := c.transcripts(cfg)
		if err != nil {
			return nil, err
		}
		tok, err := tokenizer.TrainBPE(texts(train), cfg.Vocab)
		if err != nil {
			return nil, err
		}
		m.Data, m.Tokenizer = []run.DataHash{info}, tok.Hash()
		f.Planned, f.Params, f.Notes = cfg.Planned, lmShape(cfg, tok).Params(), c.notes
		return tok.Save, nil
	})
	if err != nil {
		return nil, err
	}
	return l.OpenLM(name)
}

// texts yields the transcripts as text, for training a tokenizer.
func texts(ts []rlhf.Transcript) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, t := range ts {
			if !yield(t.String()) {
				return
			}
		}
	}
}

// lmShape is the decoder's shape; the tokenizer may have ended with fewer
// entries than asked for.
func lmShape(cfg rlhf.LM, tok tokenizer.Tokenizer) lm.Shape {
	return lm.Shape{Vocab: tok.VocabSize(), Width: cfg.Width, Layers: cfg.Layers, Heads: cfg.Heads, Context: cfg.Context}
}

// OpenLM implements rlhf.Lab.
func (l *Lab) OpenLM(name string) (rlhf.LMRun, error) {
	h := &lmRun{}
	var err error
	if h.base, err = l.handle(name, "lm", &h.cfg, loadLM); err != nil {
		return nil, err
	}
	return h, nil
}

func loadLM(l *Lab, name string, say func(string)) (*loadedRun, error) {
	var cfg rlhf.LM
	r, _, err := l.openKind(name, "lm", &cfg)
	if err != nil {
		return nil, err
	}
	say("reading " + cfg.Data)
	c, err := l.open(cfg.Data, cfg.Rows)
	if err != nil {
		return nil, err
	}
	train, held, info, err := c.transcripts(cfg)
	if err != nil {
		return nil, err
	}
	if err := verify(name, r.Manifest().Data, info); err != nil {
		return nil, err
	}
	tok, err := l.tokenizerOf(name)
	if err != nil {
		return nil, err
	}
	cfg.Vocab = tok.VocabSize()
	rows := lm.Pack(encode(tok, train), cfg.Context, tok.Pad())
	t, err := lm.NewTrainer(l.be, cfg, rows, run.Seed(cfg.Seed).Stream)
	if err != nil {
		return nil, err
	}
	heldIDs := encode(tok, held)
	m := &lmModel{Trainer: t, tok: tok, corpus: c, held: held, heldOut: lm.Pack(heldIDs, cfg.Context, tok.Pad()),
		unigram: unigram(encode(tok, train), heldIDs, cfg.Vocab)}
	m.talk = newSpeaker(l, t.Shape(), tok)
	return l.resume(r, m)
}

// resume restores the newest checkpoint, if there is one, and takes the run's lock.
func (l *Lab) resume(r *run.Run, t trainee) (*loadedRun, error) {
	loaded := &loadedRun{trainee: t, disk: r}
	if err := r.Lock(); err != nil {
		return nil, err
	}
	ck, err := r.LoadCheckpoint()
	if isNoCheckpoint(err) {
		return loaded, r.TruncateAfter(0)
	}
	if err != nil {
		return nil, err
	}
	if err := restore(l.be, t, ck); err != nil {
		return nil, fmt.Errorf("local: run %q: %w", r.Name(), err)
	}
	loaded.saved = ck.Step
	return loaded, r.TruncateAfter(ck.Step)
}

// tokenizerOf reads a run's tokenizer and checks it against the manifest.
func (l *Lab) tokenizerOf(name string) (*tokenizer.BPE, error) {
	r, err := l.store.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tok, err := tokenizer.Load(r.Dir())
	if err != nil {
		return nil, err
	}
	if m := r.Manifest(); tok.Hash() != m.Tokenizer {
		return nil, fmt.Errorf("local: run %q: %s has hash %.12s, the manifest says %.12s: the file was changed", name,
			filepath.Join(r.Dir(), "tokenizer.json"), tok.Hash(), m.Tokenizer)
	}
	return tok, nil
}

func encode(tok tokenizer.Tokenizer, ts []rlhf.Transcript) [][]int32 {
	out := make([][]int32, len(ts))
	for i, t := range ts {
		prompt, response := tokenizer.EncodeTranscript(tok, t)
		out[i] = append(prompt, response...)
	}
	return out
}

// unigram is the mean loss on held of a model that knows only how often each
// token stands in train, with one added to every count.
func unigram(train, held [][]int32, vocab int) float64 {
	counts, total := make([]float64, vocab), float64(vocab)
	for v := range counts {
		counts[v] = 1
	}
	for _, seq := range train {
		for _, id := range seq {
			counts[id]++
			total++
		}
	}
	loss, n := 0.0, 0.0
	for _, seq := range held {
		for _, id := range seq[1:] {
			loss -= math.Log(counts[id] / total)
			n++
		}
	}
	return loss / math.Max(n, 1)
}

// Evaluate implements rlhf.LMRun.
func (h *lmRun) Evaluate() (rlhf.LMEval, error) {
	var e rlhf.LMEval
	err := h.with("evaluating", func(r *loadedRun) error {
		m := r.trainee.(*lmModel)
		loss, se, n, err := m.Trainer.Evaluate(m.heldOut)
		if err != nil {
			return err
		}
		bytes := 0
		for _, t := range m.held {
			bytes += len(t.String())
		}
		e = rlhf.LMEval{Step: m.done(), Tokens: n, Loss: loss, SE: se, PerByte: loss * float64(n) / float64(bytes), Baseline: m.unigram}
		return nil
	})
	return e, err
}

// Sample implements rlhf.LMRun.
func (h *lmRun) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	var out []rlhf.Sample
	err := h.with("sampling from", func(r *loadedRun) error {
		m := r.trainee.(*lmModel)
		var err error
		out, err = m.talk.answer(m.State.Params, prompts, o, m.corpus.judge)
		return err
	})
	return out, err
}
