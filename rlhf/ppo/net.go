package ppo

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/rl"
)

// What one forward pass over a batch of prompts and responses says at each response
// token, all [B, R] but logits.
type forward struct {
	logp   *Node // log π of the token that was written
	logits *Node // [B, R, V], before the temperature
	value  *Node // V(s_t)
}

// policyNet is the forward pass of the weights that PolicyWeights lists: a decoder, and the
// value head behind it where the trunk is shared.
func (p *Programs) policyNet(w []*Node, tokens, segments *Node) forward {
	net := p.thrifty(lm.NewNet(p.shape, w))
	logp, logits, h := net.NextLogProbs(tokens, segments, p.cfg.Response, p.cfg.Temperature)
	f := forward{logp: logp, logits: logits}
	if p.shared() {
		f.value = net.Scalar(h, w)
	}
	return f
}

// referenceNet is the forward pass of π₀, which is never differentiated.
func (p *Programs) referenceNet(w []*Node, tokens, segments *Node) forward {
	logp, logits, _ := lm.NewNet(p.shape, w).NextLogProbs(tokens, segments, p.cfg.Response, p.cfg.Temperature)
	return forward{logp: logp, logits: logits}
}

// valueNet is V(s_t) [B, R] of a value function of its own. It reads the activations of
// s_0 to s_{R−1}: those at slot P+r−1, where the policy is about to write response token r.
func (p *Programs) valueNet(w []*Node, tokens, segments *Node) *Node {
	net := p.thrifty(lm.NewNet(p.valueShape, w))
	positions, bias := lm.Positions(segments), lm.CausalBias(segments)
	states := lm.Slots(p.cfg.Prompt-1, p.cfg.Prompt+p.cfg.Response-1)
	if p.valueReads == 1 {
		return net.Scalar(net.HiddenAt(tokens, positions, bias, states), w)
	}
	h := net.Hidden(tokens, positions, bias)
	return net.Scalar(Concatenate([]*Node{states(h), p.soFar(h)}, -1), w)
}

// soFar is, at each state, the mean activation of the response tokens written before
// it, and zero at the first: what a preference model that reads the mean over the
// response reads of one that is not yet complete. [B, R, D].
func (p *Programs) soFar(h *Node) *Node {
	first, r := p.cfg.Prompt, p.cfg.Response
	square := shapes.Make(dtypes.Int32, r, r)
	state, token := Iota(h.Graph(), square, 0), Iota(h.Graph(), square, 1)
	share := Inverse(ConvertDType(MaxScalar(state, 1), h.DType()))
	share = Where(LessThan(token, state), share, ZerosLike(share)) // [state, token]
	response := Slice(h, AxisRange(), AxisRange(first, first+r))
	return Transpose(DotGeneral(share, []int{1}, nil, response, []int{1}, nil), 0, 1)
}

func (p *Programs) thrifty(net *lm.Net) *lm.Net {
	if p.cfg.Checkpointing {
		net.Checkpointing()
	}
	return net
}

// shared reports whether policy and value function have one trunk.
func (p *Programs) shared() bool { return p.cfg.Value == "shared" }

// ownValue reports whether the value function is a network of its own.
func ownValue(c rlhf.PPO) bool { return c.Value == "" || c.Value == "own" }

// entropy is that of the distribution that is sampled from, [B, R].
func (p *Programs) entropy(logits, mask *Node) *Node {
	return rl.Entropy(p.tempered(logits), mask)
}

func (p *Programs) tempered(logits *Node) *Node {
	if p.cfg.Temperature == 1 {
		return logits
	}
	return DivScalar(logits, p.cfg.Temperature)
}
