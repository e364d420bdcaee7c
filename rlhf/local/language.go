package local

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/tokenizer"
)

// A language is what every later stage needs to know of a language-model run,
// trained here, distilled, or read from a file.
type language struct {
	name     string
	shape    lm.Shape
	tok      tokenizer.Tokenizer
	template tokenizer.Template // of conversations
	data     string             // what it was trained on; "" if that was not here
	heldOut  float64            // the fraction of data kept from it
	context  int                // tokens of its training rows
	rate     float64            // its peak learning rate
	ours     bool               // it was trained here from fresh weights, so that it knows end tokens within a text
	start    func() ([]*tensors.Tensor, error)
}

// languageKinds are the kinds of runs that are language models.
var languageKinds = []string{"lm", "distill", "direct"}

// language describes the language-model run of that name; nothing large is read.
func (l *Lab) language(name string) (*language, error) {
	m, err := l.manifest(name)
	if err != nil {
		return nil, err
	}
	g := &language{name: name}
	var f facts
	switch kind := m.Kind; kind {
	case "lm":
		var cfg rlhf.LM
		if f, err = l.settings(name, kind, &cfg); err != nil {
			return nil, err
		}
		g.data, g.heldOut, g.rate, g.ours = cfg.Data, cfg.HeldOut, cfg.LearningRate, cfg.From == ""
		if f.Snapshot != nil { // whose parent may have been removed
			g.ours = f.Snapshot.Ours
			g.start = func() ([]*tensors.Tensor, error) { return nil, f.Snapshot.unfinished(name) }
			break
		}
		if slices.Contains(m.Parents, cfg.From) {
			from, err := l.language(cfg.From)
			if err != nil {
				return nil, fmt.Errorf("local: run %q: From = %q: %w", name, cfg.From, err)
			}
			g.ours = from.ours
		}
		g.start = func() ([]*tensors.Tensor, error) { return l.startOfLM(cfg, g.shape, m.Parents) }
	case "distill":
		var cfg rlhf.Distill
		if f, err = l.settings(name, kind, &cfg); err != nil {
			return nil, err
		}
		g.data, g.heldOut, g.rate = cfg.Data, cfg.HeldOut, cfg.LearningRate
		if teacher, err := l.language(cfg.Teacher); err == nil {
			g.ours = teacher.ours
		}
		g.start = func() ([]*tensors.Tensor, error) { return l.weightsOfLanguage(cfg.Student) }
	case "direct":
		var cfg rlhf.Direct
		if f, err = l.settings(name, kind, &cfg); err != nil {
			return nil, err
		}
		g.data, g.heldOut, g.rate = cfg.Data, cfg.HeldOut, cfg.LearningRate
		if base, err := l.language(cfg.LM); err == nil {
			g.ours = base.ours
		}
		g.start = func() ([]*tensors.Tensor, error) { return l.weightsOfLanguage(cfg.LM) }
	default:
		return nil, fmt.Errorf("local: run %q is of kind %q, want a language model: a run that LM, Distill or Direct made", name, m.Kind)
	}
	g.shape, g.context, g.template = f.Shape, f.Context, f.Template
	g.tok, err = l.tokenizerOf(name)
	return g, err
}

func (l *Lab) manifest(name string) (run.Manifest, error) {
	r, err := l.store.Open(name)
	if err != nil {
		return run.Manifest{}, err
	}
	defer r.Close()
	return r.Manifest(), nil
}

// settings reads a run's configuration and facts.
func (l *Lab) settings(name, kind string, cfg any) (facts, error) {
	r, f, err := l.openKind(name, kind, cfg)
	if err != nil {
		return f, err
	}
	return f, r.Close()
}

// weightsOfLanguage reads the weights of a language model's newest checkpoint; a
// model that was read from a file and never trained here is read from there.
func (l *Lab) weightsOfLanguage(name string) ([]*tensors.Tensor, error) {
	g, err := l.language(name)
	if err != nil {
		return nil, err
	}
	ws, _, err := l.weightsOf(name, "lm", g.shape.Weights())
	if !isNoCheckpoint(err) {
		return ws, err
	}
	if f, err := l.factsOf(name); err != nil || f.Planned != rlhf.Untrained {
		return nil, fmt.Errorf("local: run %q has no weights to start from; train it first: %w", name, run.ErrNoCheckpoint)
	}
	return g.start()
}

// starts are the ids that every text of the model begins with.
func (g *language) starts() []int32 {
	if g.ours {
		return nil
	}
	return tokenizer.Starts(g.tok)
}

// transcriptsOf names the data of single dialogues that belong to pages of them.
func transcriptsOf(data string) string {
	if !rlhf.Pages(data) {
		return data
	}
	_, seed, seeded := strings.Cut(data, ":")
	if seeded {
		return rlhf.World(data) + ":" + seed
	}
	return rlhf.World(data)
}
