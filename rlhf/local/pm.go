package local

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/fit"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/run"
)

// pmRun is the handle, pmModel what is loaded behind it.
type pmRun struct {
	base
	cfg rlhf.PM
}

type pmModel struct {
	*pm.Trainer
	model    *pm.Model
	trial    *trial
	features *pm.Features // of a frozen trunk, else nil
	cfg      rlhf.PM
}

func (m *pmModel) done() int                     { return m.State.Updates }
func (m *pmModel) states() map[string]*fit.State { return map[string]*fit.State{"pm": m.State} }
func (m *pmModel) names() map[string][]string {
	ws := pm.ScalarWeights(m.model.Shape, m.cfg.Readout)
	if m.features != nil {
		ws = ws[len(ws)-2:]
	}
	return map[string][]string{"pm": lm.Names(ws)}
}

func (m *pmModel) close() {
	if m.features != nil {
		gx.Free(m.model.Weights...)
		m.features.Close()
	}
	m.State.Free()
}

func (m *pmModel) tensors() []*tensors.Tensor {
	if m.features != nil {
		return slices.Concat(m.model.Weights, held(m))
	}
	return held(m)
}

func (m *pmModel) advance() (rlhf.Point, []rlhf.Sample, error) {
	values, err := m.Step()
	return rlhf.Point{Step: m.State.Updates, Values: values}, nil, err
}

// frozenEpochs is how often a head alone goes through the pairs unless Planned says
// otherwise: a step costs next to nothing, and its problem is convex.
const frozenEpochs = 30

// PM implements rlhf.Lab.
func (l *Lab) PM(name string, cfg rlhf.PM) (rlhf.PMRun, error) {
	cfg, trunk, err := l.fillPM(cfg)
	if err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	err = l.ensure(name, "pm", cfg.Seed, cfg, func(m *run.Manifest, f *facts) (func(string) error, error) {
		if err := trunk.check(cfg); err != nil {
			return nil, err
		}
		t, err := l.openTrial(cfg, trunk.tok)
		if err != nil {
			return nil, err
		}
		f.Notes = t.notes
		if !rlhf.Synthetic(cfg.Data) && cfg.Data == trunk.data && cfg.HeldOut > trunk.heldOut {
			f.Notes = append(f.Notes, fmt.Sprintf("%s held out %v of the prompts, this run %v: the trunk has read some of the chosen responses that are evaluated", cfg.LM, trunk.heldOut, cfg.HeldOut))
		}
		if f.Planned = cfg.Planned; f.Planned == 0 {
			if f.Planned = pm.StepsPerEpoch(len(t.train), cfg.Batch); cfg.Frozen {
				f.Planned *= frozenEpochs
			}
		}
		m.Data, m.Tokenizer = []run.DataHash{t.info}, trunk.tok.Hash()
		if trunk.run {
			m.Parents = []string{cfg.LM}
		}
		f.Shape, f.Context = trunk.of(cfg), cfg.Context
		ws := pm.ScalarWeights(f.Shape, cfg.Readout)
		if f.Params = lm.Count(ws); cfg.Frozen {
			f.Params = lm.Count(ws[len(ws)-2:])
			if f.Trunk, err = l.hashTrunk(trunk, cfg); err != nil {
				return nil, err
			}
			f.Activations = featuresKey(cfg, f.Trunk, t.info.SHA256)
		}
		return saver(trunk.tok), nil
	})
	if err != nil {
		return nil, err
	}
	return l.OpenPM(name)
}

// hashTrunk reads a trunk for its hash.
func (l *Lab) hashTrunk(t *trunk, cfg rlhf.PM) (string, error) {
	release, err := l.acquire("reading", t.name)
	if err != nil {
		return "", err
	}
	defer release()
	m, err := l.startPM(t, cfg)
	if err != nil {
		return "", err
	}
	defer gx.Free(m.Weights...)
	return trunkHash(m)
}

// fillPM completes a configuration from its trunk's.
func (l *Lab) fillPM(cfg rlhf.PM) (rlhf.PM, *trunk, error) {
	if cfg.LM == "" {
		return cfg, nil, cfg.Filled().Validate()
	}
	t, err := l.trunk(cfg.LM)
	if err != nil {
		return cfg, t, fmt.Errorf("local: the trunk LM = %q: %w", cfg.LM, err)
	}
	if cfg.Data == "" {
		if t.data == "" {
			return cfg, t, fmt.Errorf(`pm: Data = "", and LM = %q was not trained here; name the comparisons to train on`, cfg.LM)
		}
		cfg.Data = t.data
	}
	if cfg.Context == 0 {
		cfg.Context = t.context
	}
	if cfg.Readout == "" && t.parent != nil {
		cfg.Readout = t.parent.Readout
	}
	return cfg.Filled(), t, nil
}

// OpenPM implements rlhf.Lab.
func (l *Lab) OpenPM(name string) (rlhf.PMRun, error) {
	h := &pmRun{}
	var err error
	if h.base, err = l.handle(name, "pm", &h.cfg, loadPM); err != nil {
		return nil, err
	}
	return h, nil
}

func loadPM(l *Lab, name string, say func(string)) (*loadedRun, error) {
	m := &pmModel{}
	r, f, err := l.openKind(name, "pm", &m.cfg)
	if err != nil {
		return nil, err
	}
	cfg := m.cfg
	cfg.Planned = f.Planned
	say("reading " + cfg.Data)
	tok, err := l.tokenizerOf(name)
	if err != nil {
		return nil, err
	}
	if m.trial, err = l.openTrial(cfg, tok); err != nil {
		return nil, err
	}
	if err := verify(name, r.Manifest().Data, []run.DataHash{m.trial.info}); err != nil {
		return nil, err
	}
	say("reading " + cfg.LM)
	if m.model, err = l.newPM(name, cfg, f); err != nil {
		return nil, err
	}
	stream := run.Seed(cfg.Seed).Stream
	if !cfg.Frozen {
		m.Trainer, err = pm.NewTrainer(cfg, m.model, m.trial.source(), stream)
	} else if m.features, err = l.features(m.model, m.trial, f.Activations, say); err == nil {
		var part *pm.Part
		if part, err = m.features.Part(m.trial.train); err == nil {
			m.Trainer, err = pm.NewHeadTrainer(cfg, m.model, part, stream)
		}
	}
	if err != nil {
		return nil, err
	}
	loaded, err := l.resume(r, m)
	if err != nil {
		return nil, err
	}
	return loaded, m.Adopt()
}

// newPM makes the model of a run as it was before its first step. Checkpoints of the
// run replace the weights that it trains; a frozen trunk must be the one it had.
func (l *Lab) newPM(name string, cfg rlhf.PM, f facts) (*pm.Model, error) {
	t, err := l.trunk(cfg.LM)
	if err != nil {
		return nil, fmt.Errorf("local: run %q: its trunk: %w", name, err)
	}
	if err := l.agree(name, t); err != nil {
		return nil, err
	}
	m, err := l.startPM(t, cfg)
	if err != nil || !cfg.Frozen {
		return m, err
	}
	hash, err := trunkHash(m)
	if err == nil && hash != f.Trunk {
		err = fmt.Errorf("local: run %q has a head for the trunk %.12s, and %q has the weights %.12s now: it was trained further or replaced; train the preference model again under another name", name, f.Trunk, cfg.LM, hash)
	}
	if err != nil {
		gx.Free(m.Weights...)
	}
	return m, err
}

// trainedPM reads the model of a run's newest checkpoint, for scoring; the weights
// are the caller's.
func (l *Lab) trainedPM(name string) (*pm.Model, error) {
	var cfg rlhf.PM
	f, err := l.settings(name, "pm", &cfg)
	if err != nil {
		return nil, err
	}
	ws := pm.ScalarWeights(f.Shape, cfg.Readout)
	if cfg.Frozen {
		return l.trainedHead(name, cfg, f)
	}
	tok, err := l.tokenizerOf(name)
	if err != nil {
		return nil, err
	}
	weights, _, err := l.weightsOf(name, "pm", ws)
	if err != nil {
		return nil, err
	}
	return pm.New(l.pmPrograms(f.Shape, cfg.Readout), cfg.Context, tok, weights)
}

// trainedHead is trainedPM of a run with a frozen trunk, whose checkpoint has the head
// for standardised activations only.
func (l *Lab) trainedHead(name string, cfg rlhf.PM, f facts) (*pm.Model, error) {
	tok, err := l.tokenizerOf(name)
	if err != nil {
		return nil, err
	}
	t, err := l.openTrial(cfg, tok)
	if err != nil {
		return nil, err
	}
	m, err := l.newPM(name, cfg, f)
	if err != nil {
		return nil, err
	}
	x, err := l.features(m, t, f.Activations, func(string) {})
	if err != nil {
		return nil, err
	}
	defer x.Close()
	part, err := x.Part(t.train)
	if err != nil {
		return nil, err
	}
	ws := pm.ScalarWeights(f.Shape, cfg.Readout)
	head, _, err := l.weightsOf(name, "pm", ws[len(ws)-2:])
	if err != nil {
		return nil, err
	}
	defer gx.Free(head...)
	return m, part.Adopt(head)
}

// pmPrograms are the programs of preference models of a shape, compiled once for all
// runs that have it.
func (l *Lab) pmPrograms(shape lm.Shape, readout string) *pm.Programs {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := programsKey{shape, readout}
	if l.programs[key] == nil {
		l.programs[key] = pm.NewPrograms(l.be, shape, readout)
	}
	return l.programs[key]
}

type programsKey struct {
	shape   lm.Shape
	readout string
}

// sameTokenizer refuses runs whose tokenizers or templates differ; the error names
// both sides.
func (l *Lab) sameTokenizer(a, b string) error {
	ma, err := l.manifest(a)
	if err != nil {
		return err
	}
	mb, err := l.manifest(b)
	if err != nil {
		return err
	}
	return sameRules(a, ma.Tokenizer, ma.Template, b, mb.Tokenizer, mb.Template)
}
