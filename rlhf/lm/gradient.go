package lm

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// withGradient is forward(in) with a gradient that backward gives in closed form,
// for operations whose derived gradient is slow. backward maps the inputs and the
// gradient of the output, adjoint, to the gradients of the inputs; nil stands for
// none. What it needs of the forward pass it computes once more by the same
// expressions: XLA merges equal ones, and under [Net.Checkpointing] they are meant
// to be computed anew, from inputs that were.
//
// GoMLX has gradients by hand for identities of one operand only. So each input
// passes through two of them: the gradient pass, which runs backwards, meets
// first the one that notes the input and then the one that answers. They hang on
// the output by a Where that never takes their side, which XLA removes.
func withGradient(forward func(in []*Node) *Node, backward func(in []*Node, adjoint *Node) []*Node, in ...*Node) *Node {
	out := StopGradient(forward(in))
	seen := make([]*Node, len(in))
	var adjoint *Node
	var gradients []*Node
	answering := make([]*Node, len(in))
	for i, x := range in {
		answering[i] = IdentityWithCustomGradient(x, func(_, _ *Node) *Node {
			if gradients == nil {
				gradients = backward(seen, adjoint)
			}
			return gradients[i]
		})
	}
	var hook *Node
	for i, x := range answering {
		noting := IdentityWithCustomGradient(x, func(x, zero *Node) *Node {
			seen[i] = x
			return zero
		})
		first := make([]SliceAxisSpec, x.Rank())
		for axis := range first {
			first[axis] = AxisElem(0)
		}
		one := ConvertDType(Reshape(Slice(noting, first...)), out.DType())
		if hook == nil {
			hook = one
		} else {
			hook = Add(hook, one)
		}
	}
	dims := out.Shape().Dimensions
	always := BroadcastToDims(Const(out.Graph(), true), dims...)
	out = Where(always, out, BroadcastToDims(hook, dims...))
	return IdentityWithCustomGradient(out, func(_, v *Node) *Node {
		copy(seen, in) // an input without a gradient is not met
		adjoint, gradients = v, nil
		return v
	})
}
