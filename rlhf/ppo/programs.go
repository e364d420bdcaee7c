package ppo

import (
	"github.com/gomlx/compute"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/sample"
)

// A Key is all that the compiled programs of a run depend on.
type Key struct {
	cfg               rlhf.PPO // without what no graph and no shape depends on
	shape, valueShape lm.Shape
	valueReads        int // activations of width D that the value head reads
	eos, pad          int32
}

// KeyOf returns the key of a run's programs. cfg is filled.
func KeyOf(cfg rlhf.PPO, m Models) Key {
	k := Key{cfg: cfg, shape: m.Shape, eos: m.Tok.EOS(), pad: m.Tok.Pad()}
	// What is cleared here no graph may read; a field that is forgotten costs a compilation.
	c := &k.cfg
	c.Size, c.Policy, c.PM, c.TestPM, c.Data, c.Rows, c.HarmfulFraction, c.Seed = "", "", "", "", "", 0, 0, 0
	c.Epochs, c.Planned, c.Warmup, c.CriticWarmup, c.Schedule, c.HalveEvery = 0, 0, 0, 0, "", 0
	c.LearningRate, c.ValueLearningRate, c.KLCoef, c.KLTarget, c.KLHorizon = 0, 0, 0, 0, 0
	c.NormScore, c.Plant, c.PerPrompt = false, "", 0
	if ownValue(cfg) {
		k.valueShape = m.ValueShape
		k.valueReads = m.Value[len(m.Value)-2].Shape().Size() / m.ValueShape.Width
	} else if cfg.Value == "shared" && cfg.Plant == rlhf.PlantCriticOff {
		k.cfg.ValueCoef = 0
	}
	return k
}

// Programs are the compiled programs of runs with one key: as many runs as there are
// may share them, one after another.
type Programs struct {
	Key
	be                       compute.Backend
	algorithm                Algorithm
	evaluate, shaping, advan *gx.Program
	update                   updater
	samplers                 map[string]*sample.Sampler // by what is planted in them
}

// NewPrograms prepares the programs; each is compiled when it is first needed. a is the
// algorithm that the key's configuration names, the zero value if it names none.
func NewPrograms(be compute.Backend, key Key, a Algorithm) *Programs {
	p := &Programs{Key: key, be: be, algorithm: a, samplers: map[string]*sample.Sampler{}}
	p.evaluate = gx.NewProgram(be, "ppo score", p.evaluateGraph)
	p.shaping = gx.NewProgram(be, "ppo shape", p.shapeGraph)
	p.advan = gx.NewProgram(be, "ppo advantages", p.advantagesGraph)
	p.update = p.newUpdater()
	return p
}

// samplerOf draws from the policy as it is, unless a mistake in sampling is planted.
func (p *Programs) samplerOf(plant string) (*sample.Sampler, error) {
	o := sample.Options{Prompt: p.cfg.Prompt, Response: p.cfg.Response, Temperature: p.cfg.Temperature, EOS: p.eos, Pad: p.pad}
	prepare := sample.New
	switch plant {
	case rlhf.PlantTopK:
		o.TopK = 3
		prepare = sample.NewTruncated
	case rlhf.PlantTemperature:
		o.Temperature *= 0.7
	default:
		plant = ""
	}
	if s, ok := p.samplers[plant]; ok {
		return s, nil
	}
	s, err := prepare(p.be, p.shape, o)
	if err == nil {
		p.samplers[plant] = s
	}
	return s, err
}

// PolicyWeights lists the weights of a policy: the decoder's, and the value head's
// where the trunk is shared.
func (p *Programs) PolicyWeights() []lm.Weight {
	if p.shared() {
		return p.shape.ScalarWeights()
	}
	return p.shape.Weights()
}

// ValueWeights lists the weights of a value function of its own, nil where the trunk is
// shared or there is none.
func (p *Programs) ValueWeights() []lm.Weight {
	if !ownValue(p.cfg) {
		return nil
	}
	ws := p.valueShape.ScalarWeights()
	ws[len(ws)-2].Dims = []int{p.valueReads * p.valueShape.Width}
	return ws
}
