package sample

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// Raw is what came out of the loop.
type Raw struct {
	Tokens [][]int32   // [B][R], Pad after the end
	LogP   [][]float32 // [B][R] log-probability of each token under the softmax at the temperature (see [New], [NewTruncated]), 0 after the end
	Length []int       // [B] valid tokens, EOS included
}

// A Sampler draws responses with two compiled programs. It does not own the
// weights, and it is not safe for concurrent use.
type Sampler struct {
	opt      Options // what is drawn: at most what the programs are compiled for
	*machine         // shared by all samplers of a Pool that differ in numbers only
}

// A machine is what is compiled: for one width of prompts, one length of
// responses and one mode.
type machine struct {
	be               compute.Backend
	shape            lm.Shape
	prompt, response int
	eos, pad         int32
	mode             mode
	prefill, decode  *gx.Program
	join             *gx.Program // of the states of groups of rows

	work     float64               // of one call of the prefill, at most: prefillWork
	stepTime map[int]time.Duration // of one step of the loop, by rows; measured
}

// New prepares a sampler of a policy: responses are drawn from
// softmax(logits/Temperature) and nothing else, and [Raw].LogP is the
// log-probability with which each token was drawn. Options that cut the
// distribution are an error, see the package's doc. Nothing is compiled before the
// first Sample.
func New(be compute.Backend, shape lm.Shape, opt Options) (*Sampler, error) {
	if err := opt.check(shape); err != nil {
		return nil, err
	}
	if err := opt.checkPolicy(); err != nil {
		return nil, err
	}
	return newSampler(be, shape, opt), nil
}

// NewTruncated prepares a sampler for use outside RL, which may be greedy or cut
// the distribution by TopK and TopP. [Raw].LogP is the log-probability of each token
// under the whole softmax at that temperature (1 if greedy), what a scoring pass
// gives, and not that of drawing it.
func NewTruncated(be compute.Backend, shape lm.Shape, opt Options) (*Sampler, error) {
	if err := opt.check(shape); err != nil {
		return nil, err
	}
	return newSampler(be, shape, opt), nil
}

func newSampler(be compute.Backend, shape lm.Shape, opt Options) *Sampler {
	m := &machine{be: be, shape: shape, prompt: opt.Prompt, response: opt.Response, eos: opt.EOS, pad: opt.Pad,
		mode: opt.mode(), work: prefillWork, stepTime: map[int]time.Duration{}}
	m.prefill = gx.NewProgram(be, "prefill", m.prefillGraph)
	m.decode = gx.NewProgram(be, "decode", m.decodeGraph)
	m.join = gx.NewProgram(be, "join", m.joinGraph)
	return &Sampler{opt: opt, machine: m}
}

// Options returns what the sampler draws.
func (s *Sampler) Options() Options { return s.opt }

// Programs lists the compiled programs, for their compile times.
func (s *Sampler) Programs() []*gx.Program { return []*gx.Program{s.prefill, s.decode, s.join} }

// Seeds draws n seeds, one a row, from one.
func Seeds(seed uint64, n int) []uint64 {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	out := make([]uint64, n)
	for i := range out {
		out[i] = rng.Uint64()
	}
	return out
}

// Executions are kept below a length, because nothing can interrupt one: a whole
// rollout is drawn in calls of about callTime, a stream in calls of about
// streamTime, so that what is shown moves.
const (
	callTime   = 1500 * time.Millisecond
	streamTime = 80 * time.Millisecond
)

// Sample draws one response to each prompt (token ids, 1 to P each). Row i takes
// its randomness from seeds[i]; the number of prompts is a compiled shape. The same
// seeds, prompts and weights give the same responses, bit for bit on the CPU.
func (s *Sampler) Sample(weights []*tensors.Tensor, prompts [][]int32, seeds []uint64) (*Raw, error) {
	var last *progress
	for p, err := range s.run(weights, prompts, seeds, callTime) {
		if err != nil {
			return nil, err
		}
		last = p
	}
	raw := &Raw{Length: make([]int, len(prompts))}
	for i, n := range last.count {
		raw.Length[i] = int(n)
		raw.Tokens = append(raw.Tokens, last.tokens[i][:s.opt.Response:s.opt.Response])
		raw.LogP = append(raw.LogP, last.logp[i][:s.opt.Response:s.opt.Response])
	}
	return raw, nil
}

// Stream draws the same responses as [Sampler.Sample] and yields them as they
// come: one token of each row at a time, Pad where the row has ended. It ends when
// all rows have. Leaving the loop early frees what the device holds.
func (s *Sampler) Stream(weights []*tensors.Tensor, prompts [][]int32, seeds []uint64) iter.Seq2[[]int32, error] {
	return func(yield func([]int32, error) bool) {
		seen := 0
		for p, err := range s.run(weights, prompts, seeds, streamTime) {
			if err != nil {
				yield(nil, err)
				return
			}
			// A call runs on to its end when all rows have ended before.
			for ; seen < min(p.steps, int(slices.Max(p.count))); seen++ {
				column := make([]int32, len(prompts))
				for i, row := range p.tokens {
					column[i] = row[seen]
				}
				if !yield(column, nil) {
					return
				}
			}
		}
	}
}

// progress is what a call to the device has drawn so far.
type progress struct {
	steps  int         // columns drawn, fewer if all rows ended before
	tokens [][]int32   // [B][R compiled], Pad where nothing is drawn
	logp   [][]float32 // [B][R compiled]
	count  []int32     // [B] valid tokens
	ended  bool        // all rows have
}

// run draws responses in calls of about the given time and yields after each.
func (s *Sampler) run(weights []*tensors.Tensor, prompts [][]int32, seeds []uint64, about time.Duration) iter.Seq2[*progress, error] {
	return func(yield func(*progress, error) bool) {
		var state, noise []*tensors.Tensor
		defer func() { gx.Free(append(state, noise...)...) }()
		fail := func(err error) bool {
			if err != nil {
				yield(nil, err)
			}
			return err != nil
		}
		err := s.checkCall(prompts, seeds)
		if fail(err) {
			return
		}
		uniforms, err := gx.Rows(s.be, s.uniforms(seeds), s.response, 0, false)
		if fail(err) {
			return
		}
		noise = []*tensors.Tensor{uniforms}
		if state, err = s.start(weights, prompts, seeds); fail(err) {
			return
		}
		for steps := 1; ; {
			p, err := readProgress(state, steps)
			if fail(err) || !yield(p, nil) || p.ended || steps >= s.opt.Response {
				return
			}
			until := min(steps+s.stepsIn(len(prompts), about), s.opt.Response)
			if state, err = s.advance(weights, state, uniforms, steps, until); fail(err) {
				return
			}
			steps = until
		}
	}
}

func (s *Sampler) checkCall(prompts [][]int32, seeds []uint64) error {
	if len(prompts) == 0 {
		return fmt.Errorf("sample: no prompts")
	}
	if len(seeds) != len(prompts) {
		return fmt.Errorf("sample: %d seeds for %d prompts, want one each (see Seeds)", len(seeds), len(prompts))
	}
	for i, p := range prompts {
		if len(p) == 0 || len(p) > s.prompt {
			return fmt.Errorf("sample: prompt %d has %d tokens, want 1 to %d", i, len(p), s.prompt)
		}
		for j, id := range p {
			if id < 0 || int(id) >= s.shape.Vocab {
				return fmt.Errorf("sample: prompt %d, token %d has id %d, want 0 to %d", i, j, id, s.shape.Vocab-1)
			}
		}
	}
	return nil
}
