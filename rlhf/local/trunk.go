package local

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pm"
	"hhrlhf/rlhf/run"
	"hhrlhf/rlhf/tokenizer"
)

// A trunk is what a preference model starts from: a language model, trained here or
// read from a file, or another preference model, whose head goes along.
type trunk struct {
	name     string
	run      bool // or a checkpoint
	shape    lm.Shape
	tok      tokenizer.Tokenizer
	template string // the hash of the layout of transcripts
	context  int    // of its training rows
	data     string // what it was trained on; "" if that was not here
	heldOut  float64
	parent   *rlhf.PM // of a preference model
	weights  func() ([]*tensors.Tensor, error)
}

// checkpointContext bounds the rows of preference models on a checkpoint with a long
// context, unless Context says otherwise.
const checkpointContext = 256

// trunk finds what rlhf.PM.LM names; nothing large is read.
func (l *Lab) trunk(name string) (*trunk, error) {
	m, err := l.manifest(name)
	if run.CheckName(name) != nil || errors.Is(err, run.ErrNotFound) {
		c, err := l.OpenModel(name)
		if err != nil {
			return nil, err
		}
		return &trunk{name: name, shape: c.Shape, tok: c.Tokenizer, template: tokenizer.TemplateHash(),
			context: min(checkpointContext, c.Shape.Context), weights: c.Weights}, nil
	}
	if err != nil {
		return nil, err
	}
	t := &trunk{name: name, run: true, template: m.Template}
	if m.Kind != "pm" {
		g, err := l.language(name)
		if err != nil {
			return nil, err
		}
		t.shape, t.tok, t.context, t.data, t.heldOut = g.shape, g.tok, g.context, transcriptsOf(g.data), g.heldOut
		t.weights = func() ([]*tensors.Tensor, error) { return l.weightsOfLanguage(name) }
		return t, nil
	}
	t.parent = &rlhf.PM{}
	f, err := l.settings(name, "pm", t.parent)
	if err != nil {
		return nil, err
	}
	t.shape, t.context, t.data, t.heldOut = f.Shape, t.parent.Context, t.parent.Data, t.parent.HeldOut
	if t.tok, err = l.tokenizerOf(name); err != nil {
		return nil, err
	}
	t.weights = func() ([]*tensors.Tensor, error) {
		m, err := l.trainedPM(name)
		if err != nil {
			return nil, err
		}
		return m.Weights, nil
	}
	return t, nil
}

// check refuses a configuration that the trunk does not fit.
func (t *trunk) check(cfg rlhf.PM) error {
	switch {
	case cfg.Layers > t.shape.Layers:
		return fmt.Errorf("pm: Layers = %d, more than the %d of LM = %q", cfg.Layers, t.shape.Layers, t.name)
	case cfg.Context > t.shape.Context:
		return fmt.Errorf("pm: Context = %d, more than the %d tokens that LM = %q reads", cfg.Context, t.shape.Context, t.name)
	case t.parent != nil && cfg.Readout != t.parent.Readout:
		return fmt.Errorf("pm: Readout = %q, and LM = %q has %q, whose head goes on; use the same", cfg.Readout, t.name, t.parent.Readout)
	case t.parent != nil && cfg.Layers != 0 && cfg.Layers != t.shape.Layers:
		return fmt.Errorf("pm: Layers = %d, and LM = %q is a preference model of %d, whose head reads the last; leave Layers at 0", cfg.Layers, t.name, t.shape.Layers)
	}
	return nil
}

// of is the shape of a preference model of that configuration on this trunk.
func (t *trunk) of(cfg rlhf.PM) lm.Shape {
	s := t.shape
	if cfg.Layers > 0 {
		s.Layers = cfg.Layers
	}
	return s
}

// start makes the model of a run as it is before its first step.
func (l *Lab) startPM(t *trunk, cfg rlhf.PM) (*pm.Model, error) {
	weights, err := t.weights()
	if err != nil {
		return nil, err
	}
	shape := t.shape
	if t.parent == nil {
		if shape, weights, err = pm.Weights(l.be, shape, cfg.Layers, cfg.Readout, t.tok, weights); err != nil {
			return nil, err
		}
	}
	return pm.New(l.pmPrograms(shape, cfg.Readout), cfg.Context, t.tok, weights)
}

// agree returns an error that names both sides unless a run and what it starts from
// turn text into ids by the same rules.
func (l *Lab) agree(name string, t *trunk) error {
	m, err := l.manifest(name)
	if err != nil {
		return err
	}
	return sameRules(name, m.Tokenizer, m.Template, t.name, t.tok.Hash(), t.template)
}

// sameRules compares the hashes of the tokenizers and templates of a and b.
func sameRules(a, tokA, templateA, b, tokB, templateB string) error {
	switch {
	case tokA != tokB:
		return fmt.Errorf("local: %q has tokenizer %.12s and %q has %.12s: token ids of one mean nothing to the other; use runs that descend from one language model", a, tokA, b, tokB)
	case templateA != templateB:
		return fmt.Errorf("local: %q was made with transcript template %.12s and %q with %.12s; make the older one again", a, templateA, b, templateB)
	}
	return nil
}

// trunkHash is the SHA-256 of the weights of a model's trunk, in hexadecimal.
func trunkHash(m *pm.Model) (string, error) {
	h := sha256.New()
	var buffer []byte
	for _, w := range m.Weights[:len(m.Weights)-2] {
		values, err := gx.Values[float32](w)
		if err != nil {
			return "", fmt.Errorf("local: reading the trunk's weights: %w", err)
		}
		buffer = buffer[:0]
		for _, v := range values {
			buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
		}
		h.Write(buffer)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
