// Package sample draws responses from a decoder: one program reads the prompts,
// and one program, a single loop on the device with a key-value cache, writes
// the responses.
//
// During RL the only transform is the temperature: there is no top-k, no top-p
// and no minimum length, because log-probabilities would then be those of
// another distribution than the one sampled (paper, footnote 12).
//
// # Shapes
//
// Prompts are left-padded to P slots, so that the response token r of every row
// stands at slot P+r, and its log-probability comes from slot P+r−1.
package sample

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
)

// Options fixes what a Sampler is compiled for.
type Options struct {
	Prompt      int     // P
	Response    int     // R
	Temperature float64 // divides the logits; 0 is greedy
	EOS, Pad    int32   // EOS ends a row, Pad fills it up; they must differ
}

// Raw is what came out of the loop.
type Raw struct {
	Tokens [][]int32   // [B][R], Pad after the end
	LogP   [][]float32 // [B][R] log-probability of each token as sampled, 0 after the end
	Length []int       // [B] valid tokens, EOS included
}

// A Sampler holds the two compiled programs. It does not own the weights.
type Sampler struct {
	shape           lm.Shape
	opt             Options
	prefill, decode *gx.Program
	be              compute.Backend
}

// New prepares a sampler; nothing is compiled before the first Sample.
func New(be compute.Backend, shape lm.Shape, opt Options) (*Sampler, error) {
	switch {
	case opt.EOS == opt.Pad:
		return nil, fmt.Errorf("sample: pad and end-of-text are both token %d; a masked end token would never be learnt, so they must differ", opt.EOS)
	case opt.Prompt < 1 || opt.Response < 1:
		return nil, fmt.Errorf("sample: Prompt = %d, Response = %d, want both > 0", opt.Prompt, opt.Response)
	case opt.Prompt+opt.Response > shape.Context:
		return nil, fmt.Errorf("sample: Prompt + Response = %d, more than the model's context of %d", opt.Prompt+opt.Response, shape.Context)
	case opt.Temperature < 0:
		return nil, fmt.Errorf("sample: Temperature = %v, want >= 0", opt.Temperature)
	}
	s := &Sampler{shape: shape, opt: opt, be: be}
	s.prefill = gx.NewProgram(be, "prefill", s.prefillGraph)
	s.decode = gx.NewProgram(be, "decode", s.decodeGraph)
	return s, nil
}

// Programs lists the compiled programs, for their compile times.
func (s *Sampler) Programs() []*gx.Program { return []*gx.Program{s.prefill, s.decode} }

// Sample draws one response to each prompt (token ids, at most P each; the
// number of prompts is a compiled shape). The same seed and weights give the
// same responses on the CPU.
func (s *Sampler) Sample(weights []*tensors.Tensor, prompts [][]int32, seed uint64) (*Raw, error) {
	for i, p := range prompts {
		if len(p) == 0 || len(p) > s.opt.Prompt {
			return nil, fmt.Errorf("sample: prompt %d has %d tokens, want 1 to %d", i, len(p), s.opt.Prompt)
		}
	}
	tokens, segments, err := lm.LayOut(s.be, prompts, s.opt.Prompt, s.opt.Pad, true)
	if err != nil {
		return nil, err
	}
	defer gx.Free(tokens, segments)
	rng, err := RNGStateFromSeed(int64(seed))
	if err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	defer gx.Free(rng)
	warm, err := s.prefill.Call(append([]any{tokens, segments}, gx.Keep(weights)...)...)
	if err != nil {
		return nil, err
	}
	in := append([]any{segments, rng}, gx.Donate(warm)...)
	out, err := s.decode.Call(append(in, gx.Keep(weights)...)...)
	if err != nil {
		return nil, err
	}
	defer gx.Free(out...)
	raw := &Raw{Length: make([]int, len(prompts))}
	if raw.Tokens, err = gx.Matrix[int32](out[0]); err != nil {
		return nil, err
	}
	if raw.LogP, err = gx.Matrix[float32](out[1]); err != nil {
		return nil, err
	}
	lengths, err := gx.Values[int32](out[2])
	for i, n := range lengths {
		raw.Length[i] = int(n)
	}
	return raw, err
}

// prefillGraph: tokens, segments [B, P], weights → lengths [B], logits [B, V], keys and values.
func (s *Sampler) prefillGraph(in []*Node) []*Node {
	tokens, segments := in[0], in[1]
	net := lm.NewNet(s.shape, in[2:])
	p := s.opt.Prompt
	h, keys, values := net.Prefill(tokens, lm.Positions(segments), lm.CausalBias(segments), p+s.opt.Response)
	last := Squeeze(Slice(h, AxisRange(), AxisRange(p-1, p)), 1) // [B, D]
	lengths := ReduceSum(segments, -1)
	return append(append([]*Node{lengths, net.Logits(last)}, keys...), values...)
}

// The loop's state, in this order; then keys, values, and what does not change:
// segments, lengths and the weights. A loop body of this backend may not read
// values from outside, so they travel along.
const (
	atStep = iota
	atRNG
	atLogits
	atTokens
	atLogP
	atEnded
	atCount
	atAllEnded
	atCaches
)

// decodeGraph: segments [B, P], rng, lengths, logits, caches, weights → tokens
// and logp [B, R], count [B]. The main function uses no reduction and no cached
// scalar, because a loop's body must not share them with it.
func (s *Sampler) decodeGraph(in []*Node) []*Node {
	segments, rng, lengths, logits := in[0], in[1], in[2], in[3]
	caches, weights := in[4:4+2*s.shape.Layers], in[4+2*s.shape.Layers:]
	g, b := logits.Graph(), logits.Shape().Dimensions[0]
	full := func(v any, dims ...int) *Node { return BroadcastToDims(Const(g, v), dims...) }
	state := []*Node{
		atStep:     Const(g, int32(0)),
		atRNG:      rng,
		atLogits:   logits,
		atTokens:   full(s.opt.Pad, b, s.opt.Response),
		atLogP:     full(float32(0), b, s.opt.Response),
		atEnded:    full(false, b),
		atCount:    full(int32(0), b),
		atAllEnded: Const(g, false),
	}
	state = append(state, caches...)
	fixed := len(state)
	state = append(append(state, segments, lengths), weights...)
	params := func(g *Graph) []*Node {
		ps := make([]*Node, len(state))
		for i, n := range state {
			ps[i] = Parameter(g, fmt.Sprintf("state%d", i), n.Shape())
		}
		return ps
	}
	more := NewClosure(g, func(g *Graph) []*Node {
		st := params(g)
		return []*Node{LogicalAnd(LessThan(st[atStep], Const(g, int32(s.opt.Response))), LogicalNot(st[atAllEnded]))}
	})
	body := NewClosure(g, func(g *Graph) []*Node { return s.body(params(g), fixed) })
	out := While(more, body, state...)
	return []*Node{out[atTokens], out[atLogP], out[atCount]}
}

// body draws token i of every row and runs it through the network.
func (s *Sampler) body(st []*Node, fixed int) []*Node {
	g := st[atStep].Graph()
	b, p, layers := st[atLogits].Shape().Dimensions[0], s.opt.Prompt, s.shape.Layers
	keys, values := st[atCaches:atCaches+layers], st[atCaches+layers:fixed]
	segments, lengths := st[fixed], st[fixed+1]
	net := lm.NewNet(s.shape, st[fixed+2:])
	i, ended := st[atStep], st[atEnded]

	rng, token := s.draw(st[atRNG], st[atLogits])
	temperature := s.opt.Temperature
	if temperature == 0 {
		temperature = 1
	}
	logp := lm.LogProbs(st[atLogits], token, temperature)
	token = Where(ended, BroadcastToDims(Const(g, s.opt.Pad), b), token)
	logp = Where(ended, ZerosLike(logp), logp)
	column := []*Node{Const(g, int32(0)), i}
	tokens := DynamicUpdateSlice(st[atTokens], ExpandDims(token, -1), column)
	logps := DynamicUpdateSlice(st[atLogP], ExpandDims(logp, -1), column)
	count := Add(st[atCount], ConvertDType(LogicalNot(ended), dtypes.Int32))
	ended = LogicalOr(ended, Equal(token, BroadcastToDims(Const(g, s.opt.EOS), b)))

	// Slot P+i now holds the token: it sees the prompt and slots P to P+i.
	at := AddScalar(i, p)
	slot := Iota(g, shapes.Make(dtypes.Int32, b, p+s.opt.Response), 1)
	isPrompt := GreaterThan(segments, ZerosLike(segments))
	never := BroadcastToDims(Const(g, false), b, s.opt.Response)
	isWritten := LogicalAnd(GreaterOrEqual(slot, BroadcastToShape(Const(g, int32(p)), slot.Shape())),
		LessOrEqual(slot, BroadcastToShape(at, slot.Shape())))
	visible := LogicalOr(Concatenate([]*Node{isPrompt, never}, 1), isWritten)
	position := Add(lengths, BroadcastToShape(i, lengths.Shape()))
	h, keys, values := net.Step(token, position, lm.SlotBias(visible), keys, values, at)

	next := []*Node{OnePlus(i), rng, net.Logits(h), tokens, logps, ended, count, LogicalAll(ended)}
	next = append(append(next, keys...), values...)
	return append(next, st[fixed:]...)
}

// draw picks a token a row from softmax(logits/T) by the Gumbel trick:
// argmax(logits/T + G), G = −log(−log U).
func (s *Sampler) draw(rng, logits *Node) (newRNG, token *Node) {
	if s.opt.Temperature == 0 {
		return rng, ArgMax(logits, -1, dtypes.Int32)
	}
	newRNG, u := RandomUniform(rng, logits.Shape())
	gumbel := Neg(Log(Neg(Log(MaxScalar(u, 1e-10)))))
	return newRNG, ArgMax(Add(DivScalar(logits, s.opt.Temperature), gumbel), -1, dtypes.Int32)
}
