package lm

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// A mode is how a network computes what it computes; the zero value keeps every
// activation and uses the precision of the weights.
type mode struct {
	checkpointing bool
	half          dtypes.DType // of matrix products; InvalidDType: that of their operands
}

// Checkpointing makes the gradient through n keep the input of each block only and
// compute the rest of a block anew when the gradient reaches it: activations of
// one block at a time instead of all, for one more forward pass. Chen et al. 2016,
// arXiv:1604.06174. It returns n.
func (n *Net) Checkpointing() *Net {
	n.checkpointing = true
	return n
}

// Mixed makes n multiply matrices in a shorter dtype, such as BFloat16, while
// weights, residual stream, norms, softmax and loss stay in float32
// (Micikevicius et al. 2018, arXiv:1710.03740; bfloat16 has the range of float32
// and needs no loss scaling). It returns n.
//
// It pays on accelerators. XLA's CPU backend multiplies bfloat16 no faster than
// float32 and converts in between.
func (n *Net) Mixed(half dtypes.DType) *Net {
	n.half = half
	for i := range n.blocks {
		b := &n.blocks[i]
		for _, w := range []*affine{&b.qkv, &b.out, &b.gate, &b.up, &b.down} {
			if w.weight != nil {
				w.weight = ConvertDType(w.weight, half)
			}
		}
	}
	n.output = ConvertDType(n.output, half)
	return n
}

// enter and leave stand at the input of each block and after the last.
func (n *Net) enter(x *Node) *Node {
	if n.checkpointing {
		return x.Checkpoint()
	}
	return x
}

func (n *Net) leave(x *Node) *Node {
	if n.checkpointing {
		return x.StopCheckpoint()
	}
	return x
}

// short converts queries, keys and values to the dtype of matrix products.
func (n *Net) short(x *Node) *Node {
	if n.half == dtypes.InvalidDType {
		return x
	}
	return ConvertDType(x, n.half)
}

// Precision is the dtype of matrix products that Training.Precision asks for, for
// [Net.Mixed]: InvalidDType where they stay in float32. A backend may lack it.
func Precision(be compute.Backend, precision string) (dtypes.DType, error) {
	switch precision {
	case "", "f32":
		return dtypes.InvalidDType, nil
	case "bf16":
		if !be.Capabilities().DTypes[dtypes.BFloat16] {
			return dtypes.InvalidDType, fmt.Errorf("lm: Training.Precision = %q, which the backend %s lacks; use \"f32\"", precision, be.Name())
		}
		return dtypes.BFloat16, nil
	}
	return dtypes.InvalidDType, fmt.Errorf("lm: Training.Precision = %q, want \"f32\" (or \"\") or \"bf16\"", precision)
}
