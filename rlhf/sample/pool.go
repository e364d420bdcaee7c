package sample

import (
	"fmt"
	"iter"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// A Pool samples outside RL for prompts and responses of any length with few
// compiled programs: it rounds lengths up to a [Bucket] and the number of rows to 1
// or Rows, and keeps one sampler per combination and mode (greedy, plain, top-k,
// top-p) and EOS. Temperature, k and p are inputs, not compiled. It is not safe for
// concurrent use.
type Pool struct {
	be       compute.Backend
	shape    lm.Shape
	machines map[poolKey]*Sampler
}

type poolKey struct {
	prompt, response int
	eos, pad         int32
	mode             mode
}

// Rows is the number of prompts that a Pool runs at a time, unless there is one only.
const Rows = 16

// NewPool makes a pool for a model.
func NewPool(be compute.Backend, shape lm.Shape) *Pool {
	return &Pool{be: be, shape: shape, machines: map[poolKey]*Sampler{}}
}

// Bucket is the number of slots for n tokens: 32, or the next power of two, at
// most most.
func Bucket(n, most int) int {
	w := 32
	for w < n {
		w *= 2
	}
	return min(w, most)
}

// Sampler returns a sampler for prompts of at most opt.Prompt tokens that draws
// opt.Response tokens. Its programs are compiled for the buckets of both, cut to the
// model's context.
func (p *Pool) Sampler(opt Options) (*Sampler, error) {
	if err := opt.check(p.shape); err != nil {
		return nil, err
	}
	wide := opt
	wide.Prompt = Bucket(opt.Prompt, p.shape.Context-opt.Response)
	wide.Response = Bucket(opt.Response, p.shape.Context-wide.Prompt)
	key := poolKey{wide.Prompt, wide.Response, opt.EOS, opt.Pad, opt.mode()}
	if p.machines[key] == nil {
		p.machines[key] = newSampler(p.be, p.shape, wide)
	}
	return &Sampler{opt: opt, machine: p.machines[key].machine}, nil
}

// Sample draws one response to each prompt, as [Sampler.Sample] does, Rows at a
// time. opt.Prompt may be 0: the longest prompt then says it.
func (p *Pool) Sample(weights []*tensors.Tensor, prompts [][]int32, seeds []uint64, opt Options) (*Raw, error) {
	s, err := p.sampler(prompts, seeds, opt)
	if err != nil {
		return nil, err
	}
	all := &Raw{}
	for at := 0; at < len(prompts); at += Rows {
		end := min(at+Rows, len(prompts))
		rows, noise, n := slices.Clone(prompts[at:end]), slices.Clone(seeds[at:end]), end-at
		if len(prompts) > 1 {
			for len(rows) < Rows {
				rows, noise = append(rows, rows[n-1]), append(noise, noise[n-1])
			}
		}
		raw, err := s.Sample(weights, rows, noise)
		if err != nil {
			return nil, err
		}
		all.Tokens = append(all.Tokens, raw.Tokens[:n]...)
		all.LogP = append(all.LogP, raw.LogP[:n]...)
		all.Length = append(all.Length, raw.Length[:n]...)
	}
	return all, nil
}

// Stream draws the response to one prompt and yields its tokens as they come, EOS
// included.
func (p *Pool) Stream(weights []*tensors.Tensor, prompt []int32, seed uint64, opt Options) iter.Seq2[int32, error] {
	return func(yield func(int32, error) bool) {
		prompts, seeds := [][]int32{prompt}, []uint64{seed}
		s, err := p.sampler(prompts, seeds, opt)
		if err != nil {
			yield(0, err)
			return
		}
		for tokens, err := range s.Stream(weights, prompts, seeds) {
			if err != nil {
				yield(0, err)
				return
			}
			if !yield(tokens[0], nil) {
				return
			}
		}
	}
}

func (p *Pool) sampler(prompts [][]int32, seeds []uint64, opt Options) (*Sampler, error) {
	if len(prompts) == 0 || len(seeds) != len(prompts) {
		return nil, fmt.Errorf("sample: %d prompts and %d seeds, want as many of both and at least one", len(prompts), len(seeds))
	}
	for _, ids := range prompts {
		opt.Prompt = max(opt.Prompt, len(ids))
	}
	return p.Sampler(opt)
}

func (k poolKey) order() []int {
	return []int{k.prompt, k.response, int(k.eos), int(k.pad), k.mode.order()}
}

// Programs lists the compiled programs, for their compile times, by the widths of
// prompt and response.
func (p *Pool) Programs() []*gx.Program {
	var keys []poolKey
	for k := range p.machines {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b poolKey) int {
		return slices.Compare(a.order(), b.order())
	})
	var out []*gx.Program
	for _, k := range keys {
		out = append(out, p.machines[k].Programs()...)
	}
	return out
}
