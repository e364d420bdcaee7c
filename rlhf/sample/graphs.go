package sample

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/lm"
)

// The state of the loop between two steps: what the prefill returns, the loop
// takes and returns, and a call hands to the next. All of it is by row.
const (
	atToken    = iota // [B] int32, the last one drawn, not yet read by the network
	atPosition        // [B] int32, of that token
	atEnded           // [B] bool
	atCount           // [B] int32, valid tokens drawn
	atTokens          // [B, R] int32
	atLogP            // [B, R] float32
	atBias            // [B, 1, 1, P+R] float32, hides the slots that hold nothing
	atCaches          // the layers' keys, then their values
)

// write puts a drawn token and its log-probability of step i into the state.
func (m *machine) write(state []*Node, i, token, logp *Node) {
	ended := state[atEnded]
	token = Where(ended, full(token, m.pad), token)
	logp = Where(ended, ZerosLike(logp), logp)
	at := []*Node{Const(token.Graph(), int32(0)), i}
	state[atToken] = token
	state[atTokens] = DynamicUpdateSlice(state[atTokens], ExpandDims(token, -1), at)
	state[atLogP] = DynamicUpdateSlice(state[atLogP], ExpandDims(logp, -1), at)
	state[atCount] = Add(state[atCount], ConvertDType(LogicalNot(ended), dtypes.Int32))
	state[atEnded] = LogicalOr(ended, Equal(token, full(token, m.eos)))
}

// uniform picks step i of the noise [B, R].
func uniform(noise, i *Node) *Node {
	b := noise.Shape().Dimensions[0]
	return Reshape(DynamicSlice(noise, []*Node{Const(noise.Graph(), int32(0)), i}, []int{b, 1}), b)
}

// The scalar inputs of a draw, and how many they are.
func knobsOf(in []*Node) knobs { return knobs{temperature: in[0], topK: in[1], topP: in[2]} }

const knobCount = 3

// prefillGraph: tokens, segments [B, P], noise [B, R], knobs, weights → state with
// one token drawn.
func (m *machine) prefillGraph(in []*Node) []*Node {
	tokens, segments, noise := in[0], in[1], in[2]
	net := lm.NewNet(m.shape, in[3+knobCount:])
	g, b := tokens.Graph(), tokens.Shape().Dimensions[0]
	h, keys, values := net.Prefill(tokens, lm.Positions(segments), lm.CausalBias(segments), m.prompt+m.response)
	h = Squeeze(Slice(h, AxisRange(), AxisRange(m.prompt-1, m.prompt)), 1) // [B, D]
	all := func(v any, dims ...int) *Node { return BroadcastToDims(Const(g, v), dims...) }
	slots := Concatenate([]*Node{segments, all(int32(0), b, m.response)}, 1)
	state := make([]*Node, atCaches)
	state[atPosition] = ReduceSum(segments, -1)
	state[atEnded] = all(false, b)
	state[atCount] = all(int32(0), b)
	state[atTokens] = all(m.pad, b, m.response)
	state[atLogP] = all(float32(0), b, m.response)
	state[atBias] = lm.SlotBias(GreaterThan(slots, ZerosLike(slots)))
	first := Const(g, int32(0))
	token, logp := draw(m.mode, knobsOf(in[3:]), net.Logits(h), uniform(noise, first))
	m.write(state, first, token, logp)
	return append(append(state, keys...), values...)
}

// decodeGraph: from, until (int32), noise, knobs, state, weights → state with the
// tokens [from, until) drawn, or fewer if all rows ended. A loop's body may read
// nothing from outside on this backend, so that what does not change travels along
// as loop state, and the main function uses no reduction and no cached scalar,
// which it must not share with the body.
func (m *machine) decodeGraph(in []*Node) []*Node {
	const step, until, done = 0, 1, 2 // the loop's state: these, then in[2:]
	g := in[0].Graph()
	loop := append([]*Node{in[0], in[1], Const(g, false)}, in[2:]...)
	params := func(g *Graph) []*Node {
		ps := make([]*Node, len(loop))
		for i, n := range loop {
			ps[i] = Parameter(g, fmt.Sprintf("state%d", i), n.Shape())
		}
		return ps
	}
	more := NewClosure(g, func(g *Graph) []*Node {
		s := params(g)
		return []*Node{LogicalAnd(LessThan(s[step], s[until]), LogicalNot(s[done]))}
	})
	first := done + 2 + knobCount // where the rows' state begins
	end := first + atCaches + 2*m.shape.Layers
	body := NewClosure(g, func(g *Graph) []*Node {
		s := params(g)
		state := m.body(s[step], s[done+1], knobsOf(s[done+2:]), s[first:end], s[end:])
		next := append([]*Node{OnePlus(s[step]), s[until], LogicalAll(state[atEnded])}, s[done+1:first]...)
		return append(append(next, state...), s[end:]...)
	})
	return While(more, body, loop...)[first:end]
}

// body runs the token drawn last through the network and draws the next, of step i.
func (m *machine) body(i, noise *Node, k knobs, state, weights []*Node) []*Node {
	net := lm.NewNet(m.shape, weights)
	state = append([]*Node{}, state...)
	zero := Const(i.Graph(), int32(0))
	b := noise.Shape().Dimensions[0]
	slot := AddScalar(i, m.prompt-1) // of the token drawn last
	shown := BroadcastToDims(Const(i.Graph(), float32(0)), b, 1, 1, 1)
	state[atBias] = DynamicUpdateSlice(state[atBias], shown, []*Node{zero, zero, zero, slot})
	caches := state[atCaches:]
	h, keys, values := net.Step(state[atToken], state[atPosition], state[atBias], caches[:m.shape.Layers], caches[m.shape.Layers:], slot)
	state[atPosition] = OnePlus(state[atPosition])
	token, logp := draw(m.mode, k, net.Logits(h), uniform(noise, i))
	m.write(state, i, token, logp)
	return append(append(state[:atCaches:atCaches], keys...), values...)
}

// joinGraph: the states of groups of rows, one after the other → one state.
func (m *machine) joinGraph(in []*Node) []*Node {
	n := atCaches + 2*m.shape.Layers
	out := make([]*Node, n)
	for i := range out {
		var parts []*Node
		for at := i; at < len(in); at += n {
			parts = append(parts, in[at])
		}
		out[i] = Concatenate(parts, 0)
	}
	return out
}
