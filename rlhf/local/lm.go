package local

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/tokenizer"
)

// lmModel is what is loaded behind a language model that is trained on text, or is
// as it was read from a file.
type lmModel struct {
	*voice
	trainer *lm.Trainer // nil: Untrained
	source  *reading    // nil: Untrained
	held    lm.Rows
	bytes   int     // of the held-out text
	unigram float64 // loss of the unigram model on the held-out tokens
}

func (m *lmModel) done() int {
	if m.trainer == nil {
		return 0
	}
	return m.trainer.State.Updates
}

func (m *lmModel) states() map[string]*fit.State {
	return map[string]*fit.State{"lm": m.trainer.State}
}

func (m *lmModel) names() map[string][]string {
	return map[string][]string{"lm": lm.Names(m.Shape.Weights())}
}

func (m *lmModel) close() {
	if m.trainer == nil {
		gx.Free(m.live()...)
		return
	}
	m.trainer.State.Free()
	m.source.close()
}

func (m *lmModel) tensors() []*tensors.Tensor {
	if m.trainer == nil {
		return m.live()
	}
	return held(m)
}

func (m *lmModel) advance() (rlhf.Point, []rlhf.Sample, error) {
	if m.trainer == nil {
		return rlhf.Point{}, nil, fmt.Errorf("local: %s is Untrained: it is the model of From as it is; make a run of another name with From and Planned > 0 to train it", m.Name)
	}
	values, err := m.trainer.Step()
	return rlhf.Point{Step: m.done(), Values: values}, nil, err
}

// LM implements rlhf.Lab.
func (l *Lab) LM(name string, cfg rlhf.LM) (rlhf.LMRun, error) {
	cfg, err := onRung(cfg)
	if err != nil {
		return nil, err
	}
	cfg = cfg.Filled()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	err = l.ensure(name, "lm", cfg.Seed, cfg, func(m *run.Manifest, f *facts) (func(string) error, error) {
		if cfg.From != "" {
			return l.makeFrom(cfg, m, f)
		}
		src, err := l.openReading(cfg)
		if err != nil {
			return nil, err
		}
		defer src.close()
		tok, err := tokenizer.TrainBPE(src.sample(), cfg.Vocab)
		if err != nil {
			return nil, err
		}
		f.Shape = lm.Shape{Vocab: tok.VocabSize(), Width: cfg.Width, Layers: cfg.Layers, Heads: cfg.Heads, Context: cfg.Context}
		f.Context, f.Planned, f.Notes = cfg.Context, cfg.Planned, src.notes
		m.Data, m.Tokenizer = src.info, tok.Hash()
		return tok.Save, f.Shape.Check()
	})
	if err != nil {
		return nil, err
	}
	return l.OpenLM(name)
}

// onRung sets the layers, width and heads of a rung of the ladder where they are
// not set.
func onRung(cfg rlhf.LM) (rlhf.LM, error) {
	if cfg.Rung == "" || cfg.From != "" {
		return cfg, nil
	}
	s, err := lm.Size(cfg.Rung)
	if err != nil {
		return cfg, fmt.Errorf("lm: Rung = %q: %w", cfg.Rung, err)
	}
	for _, f := range []struct {
		field *int
		rung  int
	}{{&cfg.Layers, s.Layers}, {&cfg.Width, s.Width}, {&cfg.Heads, s.Heads}} {
		if *f.field == 0 {
			*f.field = f.rung
		}
	}
	return cfg, nil
}

// rowTokens bounds the rows on which a model with a long context is trained, unless
// Context says otherwise.
const rowTokens = 256

// makeFrom makes a run of the model that From names.
func (l *Lab) makeFrom(cfg rlhf.LM, m *run.Manifest, f *facts) (func(string) error, error) {
	from, err := l.OpenModel(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("lm: From = %q: %w", cfg.From, err)
	}
	f.Shape, f.Template, f.Planned, f.Context = from.Shape, from.Template, cfg.Planned, min(from.Shape.Context, rowTokens)
	if m, err := l.manifest(cfg.From); err == nil && m.Kind == "ppo" {
		return nil, fmt.Errorf("lm: From = %q is a PPO run, whose policy changes while it trains; take a Snapshot of it and name that", cfg.From)
	}
	if cfg.Context > from.Shape.Context {
		return nil, fmt.Errorf("lm: Context = %d, more than the %d tokens that %s reads", cfg.Context, from.Shape.Context, cfg.From)
	}
	if cfg.Context > 0 {
		f.Context = cfg.Context
	}
	m.Tokenizer = from.Tokenizer.Hash()
	if from.Family == FamilyRun || from.Family == FamilyPretrained {
		m.Parents = []string{cfg.From}
	}
	if cfg.Planned != rlhf.Untrained {
		src, err := l.openReading(cfg)
		if err != nil {
			return nil, err
		}
		defer src.close()
		m.Data, f.Notes = src.info, src.notes
	}
	return saver(from.Tokenizer), nil
}

// saver returns the function that writes a tokenizer into a run's folder.
func saver(tok tokenizer.Tokenizer) func(dir string) error {
	s, ok := tok.(interface{ Save(dir string) error })
	if !ok {
		return func(string) error { return fmt.Errorf("local: a tokenizer of type %T cannot be saved", tok) }
	}
	return s.Save
}

// OpenLM implements rlhf.Lab.
func (l *Lab) OpenLM(name string) (rlhf.LMRun, error) {
	m, err := l.manifest(name)
	if err != nil {
		return nil, err
	}
	h := &lmRun{}
	switch m.Kind {
	case "distill":
		h.base, err = l.handle(name, m.Kind, new(rlhf.Distill), loadDistill)
	case "direct":
		h.base, err = l.handle(name, m.Kind, new(rlhf.Direct), loadDirect)
	default:
		h.base, err = l.handle(name, "lm", new(rlhf.LM), loadLM)
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// startOfLM returns the weights that a run begins with: those of From, or fresh
// ones. Only what was a run then is looked for among the runs: a run of a
// checkpoint may have the checkpoint's name.
func (l *Lab) startOfLM(cfg rlhf.LM, shape lm.Shape, parents []string) ([]*tensors.Tensor, error) {
	if cfg.From == "" {
		return lm.Init(l.be, shape.Weights(), run.Seed(cfg.Seed).Stream("lm/init", 0))
	}
	from := l.newModel(cfg.From)
	find := from.fromFiles
	if slices.Contains(parents, cfg.From) {
		find = from.fromRun
	}
	if err := find(); err != nil {
		return nil, fmt.Errorf("lm: From = %q: %w", cfg.From, err)
	}
	if from.Shape != shape {
		return nil, fmt.Errorf("lm: From = %q is another model than when the run was made: it has the shape %+v, then %+v", cfg.From, from.Shape, shape)
	}
	return from.Weights()
}

func loadLM(l *Lab, name string, say func(string)) (*loadedRun, error) {
	var cfg rlhf.LM
	r, f, err := l.openKind(name, "lm", &cfg)
	if err != nil {
		return nil, err
	}
	g, err := l.language(name)
	if err != nil {
		return nil, err
	}
	tok := g.tok
	if cfg.Planned == rlhf.Untrained {
		say("reading " + cfg.From)
		weights, err := l.weightsOfLanguage(name)
		if err != nil {
			return nil, err
		}
		m := &lmModel{voice: l.newVoice(name, g, func() []*tensors.Tensor { return weights })}
		if f.Snapshot != nil && rlhf.Synthetic(cfg.Data) {
			c, err := l.open(cfg.Data, 0)
			if err != nil {
				return nil, err
			}
			m.voice.judge = c.judge
		}
		return &loadedRun{trainee: m, disk: r}, nil
	}
	say("reading " + cfg.Data)
	src, err := l.openReading(cfg)
	if err != nil {
		return nil, err
	}
	if err := verify(name, r.Manifest().Data, src.info); err != nil {
		return nil, err
	}
	weights, err := l.startOfLM(cfg, f.Shape, r.Manifest().Parents)
	if err != nil {
		return nil, err
	}
	seed := run.Seed(cfg.Seed)
	rows, err := src.rows(tok, f.Context, cfg.Batch, seed)
	if err != nil {
		return nil, err
	}
	tr := lm.Training{Accumulate: cfg.Accumulate, Checkpointing: cfg.Checkpointing, Precision: precision(cfg.Precision)}
	t, err := lm.NewTrainerFrom(l.be, f.Shape, weights, cfg, tr, rows)
	if err != nil {
		return nil, err
	}
	m := &lmModel{trainer: t, source: src}
	m.voice = l.newVoice(name, g, func() []*tensors.Tensor { return t.State.Params })
	m.voice.judge = src.judge
	train, held := src.encode(tok, src.train), src.encode(tok, src.held)
	m.held, m.unigram = lm.Pack(held, f.Context, tok.Pad()), unigram(train, held, f.Shape.Vocab)
	for _, text := range src.held {
		m.bytes += len(text)
	}
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
func (l *Lab) tokenizerOf(name string) (tokenizer.Tokenizer, error) {
	r, err := l.store.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tok, err := tokenizer.Open(r.Dir())
	if err != nil {
		return nil, err
	}
	if m := r.Manifest(); tok.Hash() != m.Tokenizer {
		return nil, fmt.Errorf("local: run %q: the tokenizer in %s has hash %.12s, the manifest says %.12s: the file was changed", name, r.Dir(), tok.Hash(), m.Tokenizer)
	}
	return tok, nil
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

func (m *lmModel) evaluate() (rlhf.LMEval, error) {
	if m.trainer == nil {
		return rlhf.LMEval{}, fmt.Errorf("local: %s was not trained here and has no held-out data of its own; use EvaluateOn with data of your choice", m.Name)
	}
	e, err := m.measure(m.held, m.bytes)
	e.Baseline = m.unigram
	return e, err
}

// precision is package lm's word for a configuration's.
func precision(p string) string {
	return map[string]string{"bfloat16": "bf16"}[p]
}
