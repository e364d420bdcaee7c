package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pretrained"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/sample"
	"hhrlhf/rlhf/tokenizer"
)

// Model.Family of a run of this lab: of one that was trained from fresh weights,
// and of one that began as a pretrained checkpoint.
const (
	FamilyRun        = "run"
	FamilyPretrained = "run from a checkpoint"
)

// A Model is a language model that can be asked, wherever it comes from: a run of
// this lab, or a pretrained checkpoint. Its description is there at once; the
// weights are read when they are first needed, and given back by Close.
//
// Methods that compute wait for the device like every call of the lab, and end
// with the lab's context.
type Model struct {
	Name   string // as it was asked for
	Path   string // the run's folder, or the checkpoint's folder or file
	Family string // "run", or the architecture that the checkpoint's files name
	Step   int    // of a run's newest checkpoint

	Shape     lm.Shape
	Tokenizer tokenizer.Tokenizer
	Template  tokenizer.Template // of conversations; the paper's for runs, and where a checkpoint has none

	lab     *Lab
	bytes   int64 // of the weights in memory
	read    func() ([]*tensors.Tensor, error)
	weights []*tensors.Tensor
	live    func() []*tensors.Tensor // of a loaded run, whose caller holds the device; nil for all others
}

// askPrograms are what language models of a shape are asked with: compiled once for all
// that have it, such as the snapshots of a policy. They are used under the device token.
type askPrograms struct {
	pool      *sample.Pool
	evaluator *lm.Evaluator
	reader    *lm.Reader
	prober    *lm.Prober
}

func (l *Lab) askPrograms(shape lm.Shape) *askPrograms {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asking[shape] == nil {
		l.asking[shape] = &askPrograms{sample.NewPool(l.be, shape), lm.NewEvaluator(l.be, shape), lm.NewReader(l.be, shape), lm.NewProber(l.be, shape)}
	}
	return l.asking[shape]
}

// OpenModel finds a model by name and reads its description: the name of a
// language model's or a policy's run, else what Options.Models makes of it, else
// the path of a checkpoint (see package pretrained).
func (l *Lab) OpenModel(name string) (*Model, error) {
	m := l.newModel(name)
	err := run.ErrNotFound
	if run.CheckName(name) == nil {
		err = m.fromRun()
	}
	if errors.Is(err, run.ErrNotFound) {
		err = m.fromFiles()
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (l *Lab) newModel(name string) *Model {
	return &Model{Name: name, lab: l}
}

// acquire takes the device for what, unless the caller has it.
func (m *Model) acquire(ctx context.Context, what string) (release func(), err error) {
	if m.live != nil {
		return func() {}, nil
	}
	return m.lab.with(ctx).acquire(what, m.Name)
}

// fromRun describes the run of the model's name.
func (m *Model) fromRun() error {
	l := m.lab
	r, err := l.store.Open(m.Name)
	if err != nil {
		return err
	}
	defer r.Close()
	if kind := r.Manifest().Kind; kind == "ppo" {
		var cfg rlhf.PPO
		if err := run.DecodeConfig(r.Manifest().Config, &cfg); err != nil {
			return fmt.Errorf("local: run %q: %w", m.Name, err)
		}
		g, err := l.language(cfg.Policy)
		if err != nil {
			return err
		}
		m.speaks(g, func() ([]*tensors.Tensor, error) {
			ws, step, err := l.weightsOf(m.Name, "policy", g.shape.Weights())
			m.Step = step
			return ws, err
		})
	} else if slices.Contains(languageKinds, kind) {
		g, err := l.language(m.Name)
		if err != nil {
			return err
		}
		m.speaks(g, func() ([]*tensors.Tensor, error) {
			if info, err := l.info(m.Name); err == nil {
				m.Step = info.Step // it may have been trained since
			}
			return l.weightsOfLanguage(m.Name)
		})
	} else {
		return fmt.Errorf("local: run %q is of kind %q, which writes no text; name a language model or a policy", m.Name, kind)
	}
	m.Path = r.Dir()
	if info, err := l.info(m.Name); err == nil {
		m.Step = info.Step
	}
	return nil
}

// speaks makes the model one of a run's language, with the weights that read reads.
func (m *Model) speaks(g *language, read func() ([]*tensors.Tensor, error)) {
	m.Shape, m.Tokenizer, m.Template, m.read, m.bytes = g.shape, g.tok, g.template, read, 4*g.shape.Params()
	if m.Family = FamilyPretrained; g.ours {
		m.Family = FamilyRun
	}
}

// fromFiles describes the checkpoint of the model's name.
func (m *Model) fromFiles() error {
	path, err := m.lab.locateModel(m.Name)
	if err != nil {
		return err
	}
	p, err := pretrained.Open(path)
	if err != nil {
		return fmt.Errorf("local: model %q: %w", m.Name, err)
	}
	if p.Tokenizer == nil {
		return fmt.Errorf("local: model %q: %s comes without a tokenizer; put its tokenizer.json, or llama2.c's tokenizer file, beside it", m.Name, path)
	}
	m.Path, m.Family, m.Shape, m.bytes = path, p.Family, p.Shape, p.Bytes()
	m.Tokenizer, m.Template = p.Tokenizer, p.Template
	m.read = func() ([]*tensors.Tensor, error) { return p.Weights(m.lab.be) }
	return nil
}

// locateModel maps a name to the path of a checkpoint.
func (l *Lab) locateModel(name string) (string, error) {
	if l.opt.Models != nil {
		path, err := l.opt.Models(name)
		if err != nil {
			return "", fmt.Errorf("local: there is no run %q in %s: %w", name, l.store.Dir(), err)
		}
		if path != "" {
			return path, nil
		}
	}
	if _, err := os.Stat(name); err != nil {
		return "", fmt.Errorf("local: %q is neither a run in %s nor the path of a checkpoint: %w", name, l.store.Dir(), err)
	}
	return filepath.Clean(name), nil
}

// About describes a model in numbers.
type About struct {
	Name     string   `json:"name"`
	Path     string   `json:"path"`
	Family   string   `json:"family"` // "run", or the architecture
	Shape    lm.Shape `json:"shape"`
	Params   int64    `json:"params"`
	Bytes    int64    `json:"bytes"` // of the weights in memory
	Step     int      `json:"step,omitempty"`
	Template string   `json:"template"` // of conversations: its name, "" for the paper's
}

// About describes the model.
func (m *Model) About() About {
	return About{Name: m.Name, Path: m.Path, Family: m.Family, Shape: m.Shape, Params: m.Shape.Params(), Bytes: m.bytes,
		Step: m.Step, Template: m.Template.Name}
}

// programBytes is what the process needs beside tensors: the backend, compiled
// programs, a tokenizer (see lm.Shape.Memory).
const programBytes = 300 << 20

// PredictBytes estimates the memory of the process while [Model.Predict] runs.
func (m *Model) PredictBytes(window int) int64 {
	window = m.window(window)
	return m.Shape.Memory(max(1, lm.PassTokens/window), window, false) + programBytes
}

// Bytes is the memory that the weights take, loaded.
func (m *Model) Bytes() int64 { return m.bytes }

// Weights returns the weights in the order of Shape.Weights, read when they are
// first asked for. They belong to the model.
func (m *Model) Weights() ([]*tensors.Tensor, error) {
	if m.live != nil {
		return m.live(), nil
	}
	if m.weights == nil {
		ws, err := m.read()
		if err != nil {
			return nil, err
		}
		m.weights = ws
	}
	return m.weights, nil
}

// Load reads the weights now; where they are read already, it does nothing.
func (m *Model) Load() error {
	_, err := m.Weights()
	return err
}

// Export writes the model as a Hugging Face folder, new or empty (see package pretrained).
func (m *Model) Export(dir string) error {
	release, err := m.lab.acquire("exporting", m.Name)
	if err != nil {
		return err
	}
	defer release()
	weights, err := m.Weights()
	if err != nil {
		return err
	}
	return pretrained.Export(dir, m.Shape, weights, m.Tokenizer)
}

// Close gives the memory of the weights back. The model can go on being used.
func (m *Model) Close() {
	gx.Free(m.weights...)
	m.weights = nil
}
