package rl

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/support/exceptions"

	. "github.com/gomlx/gomlx/core/graph"
)

// EpsilonForm says where Adam's ε stands. With m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ):
type EpsilonForm int

// The forms. They differ while 1 − β₂ᵗ is small: at the first step the
// uncorrected ε weighs 1/√(1−β₂) ≈ 32 times as much, so that small gradients move
// less. Huang et al. 2023 ("The N implementation details of RLHF with PPO") trace
// a sixfold difference in the first policy changes to it.
const (
	// EpsilonCorrected is lr·m̂/(√v̂ + ε): algorithm 1 of Kingma and Ba 2015,
	// PyTorch, Optax, and GoMLX's own optimiser.
	EpsilonCorrected EpsilonForm = iota
	// EpsilonUncorrected is lr·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε): section 2 of the
	// same paper, and TensorFlow, hence the code of Ziegler and Stiennon et al.
	EpsilonUncorrected
)

// Adam holds the constants of AdamW (Kingma and Ba 2015; Loshchilov and Hutter
// 2019). The paper states none of them.
type Adam struct {
	Beta1   float64     // decay of the first moment, in [0, 1)
	Beta2   float64     // decay of the second moment, in [0, 1)
	Epsilon float64     // ε; PPO of OpenAI: 1e-5
	Form    EpsilonForm // where ε stands
	// WeightDecay w adds lr·w·θ to the step of the tensors flagged for it,
	// outside the moments.
	WeightDecay float64
}

// DefaultAdam returns β = 0.9, 0.999, ε = 1e-8 corrected, and no weight decay.
func DefaultAdam() Adam { return Adam{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8} }

// Update returns parameters, moments and step after one update. params, grads, m
// and v are lists of equal length and pairwise equal shape, of one float dtype; m
// and v start at zero. step is an integer scalar, the number of updates made so
// far; lr is a scalar of the parameters' dtype. decay flags the tensors that
// decay, matrices as a rule and neither biases nor norms; nil flags none.
func (a Adam) Update(params, grads, m, v []*Node, step, lr *Node, decay []bool) (newParams, newM, newV []*Node, newStep *Node) {
	if n := len(params); len(grads) != n || len(m) != n || len(v) != n || (decay != nil && len(decay) != n) {
		exceptions.Panicf("rl: Adam.Update got %d params, %d grads, %d and %d moments, %d decay flags; want equal numbers",
			n, len(grads), len(m), len(v), len(decay))
	}
	step.AssertScalar()
	lr.AssertScalar()
	newStep = OnePlus(step)
	// 1 − βᵗ in float64, or float32 would lose four digits of it at t = 1.
	t := ConvertDType(newStep, dtypes.Float64)
	correct := func(beta float64) *Node {
		if beta == 0 {
			return ScalarOne(t.Graph(), dtypes.Float64)
		}
		return Neg(Expm1(MulScalar(t, math.Log(beta))))
	}
	c1, c2 := correct(a.Beta1), correct(a.Beta2)
	for i, p := range params {
		g := grads[i]
		for _, x := range []*Node{g, m[i], v[i]} {
			x.AssertDims(p.Shape().Dimensions...)
		}
		as := func(x *Node) *Node { return ConvertDType(x, p.DType()) }
		m1 := Add(MulScalar(m[i], a.Beta1), MulScalar(g, 1-a.Beta1))
		v1 := Add(MulScalar(v[i], a.Beta2), MulScalar(Square(g), 1-a.Beta2))
		var dir *Node
		switch a.Form {
		case EpsilonUncorrected:
			dir = Mul(Div(m1, AddScalar(Sqrt(v1), a.Epsilon)), as(Div(Sqrt(c2), c1)))
		default:
			dir = Div(Div(m1, as(c1)), AddScalar(Sqrt(Div(v1, as(c2))), a.Epsilon))
		}
		if decay != nil && decay[i] && a.WeightDecay != 0 {
			dir = Add(dir, MulScalar(p, a.WeightDecay))
		}
		newParams = append(newParams, Sub(p, Mul(lr, dir)))
		newM, newV = append(newM, m1), append(newV, v1)
	}
	return newParams, newM, newV, newStep
}

// ClipByGlobalNorm scales all gradients by min(1, maxNorm/norm), where norm is
// the joint L2 norm that it also returns, a scalar. A norm that is NaN makes all
// gradients NaN and an infinite one makes them 0 or NaN, so look at norm before
// keeping the update.
func ClipByGlobalNorm(grads []*Node, maxNorm float64) (clipped []*Node, norm *Node) {
	if len(grads) == 0 {
		exceptions.Panicf("rl: ClipByGlobalNorm got no gradients")
	}
	norm = GlobalNorm(grads)
	limit := Scalar(norm.Graph(), norm.DType(), maxNorm)
	scale := Div(limit, Max(norm, limit))
	for _, g := range grads {
		clipped = append(clipped, Mul(g, scale))
	}
	return clipped, norm
}

// GlobalNorm returns the L2 norm of all tensors together, a scalar.
func GlobalNorm(xs []*Node) *Node {
	var sum *Node
	for _, x := range xs {
		s := ReduceAllSum(Square(x))
		if sum == nil {
			sum = s
		} else {
			sum = Add(sum, s)
		}
	}
	return Sqrt(sum)
}

// UpdatePlain is the twin of [Adam.Update] on flat tensors, in place; step
// counts this update, from 1.
func (a Adam) UpdatePlain(params, grads, m, v [][]float64, step int, lr float64, decay []bool) {
	c1, c2 := 1-math.Pow(a.Beta1, float64(step)), 1-math.Pow(a.Beta2, float64(step))
	for i := range params {
		for j, g := range grads[i] {
			m[i][j] = a.Beta1*m[i][j] + (1-a.Beta1)*g
			v[i][j] = a.Beta2*v[i][j] + (1-a.Beta2)*g*g
			var dir float64
			switch a.Form {
			case EpsilonUncorrected:
				dir = math.Sqrt(c2) / c1 * m[i][j] / (math.Sqrt(v[i][j]) + a.Epsilon)
			default:
				dir = m[i][j] / c1 / (math.Sqrt(v[i][j]/c2) + a.Epsilon)
			}
			if decay != nil && decay[i] {
				dir += a.WeightDecay * params[i][j]
			}
			params[i][j] -= lr * dir
		}
	}
}

// ClipByGlobalNormPlain is the twin of [ClipByGlobalNorm], in place.
func ClipByGlobalNormPlain(grads [][]float64, maxNorm float64) (norm float64) {
	for _, g := range grads {
		for _, x := range g {
			norm += x * x
		}
	}
	norm = math.Sqrt(norm)
	if norm > maxNorm {
		for _, g := range grads {
			for j := range g {
				g[j] *= maxNorm / norm
			}
		}
	}
	return norm
}
