package sample

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// knobs are the scalar inputs of a draw.
type knobs struct {
	temperature *Node // float32, > 0
	topK        *Node // int32
	topP        *Node // float32
}

// draw picks a token a row from softmax(logits/T), cut as m says: logits [B, V],
// one uniform number a row u [B] in [0, 1). It returns the tokens [B] and their
// log-probabilities [B] under the whole softmax, cut or not: what the model says
// of the token, and what the scoring pass gives. Greedy takes T = 1 for them.
//
// The draw inverts the cumulative distribution,
//
//	token = min{v : Σ_{w≤v} p_w > u},
//
// over the vocabulary in two levels: it is laid out as a table of n rows and c
// columns, and u picks first a column by its sum, then an entry of it. Any order
// of the tokens will do, and sums over columns are what the CPU does fast. The
// sums are float32, so each token's share of u is right within about 1e-7. A
// token of probability 0 is never drawn, whatever rounding does: see [pick].
func draw(m mode, k knobs, logits, u *Node) (token, logp *Node) {
	z := logits
	if !m.greedy {
		z = Div(z, BroadcastToShape(k.temperature, z.Shape()))
	}
	table := asTable(z) // [B, n, c]
	d := table.Shape().Dimensions
	b, rows, columns := d[0], d[1], d[2]
	overTable := func(x *Node) *Node { return BroadcastToDims(Reshape(x, b, 1, 1), d...) }
	overColumns := func(reduce func(*Node, ...int) *Node, x *Node) *Node { return reduce(reduce(x, 1), -1) }

	top := overColumns(ReduceMax, table) // [B]
	gap := Sub(overTable(top), table)    // ≥ 0, and 0 for the most probable token
	e := Exp(Neg(gap))
	sums := ReduceSum(e, 1) // [B, c]
	total := ReduceSum(sums, -1)

	if m.greedy {
		id := Iota(z.Graph(), shapes.Make(dtypes.Int32, d...), 1)
		id = Add(Mul(id, full(id, int32(columns))), Iota(z.Graph(), shapes.Make(dtypes.Int32, d...), 2))
		token = overColumns(ReduceMin, Where(LessOrEqual(gap, ZerosLike(gap)), id, full(id, int32(rows*columns))))
	} else {
		mass := total
		if m.topK || m.topP {
			e = truncate(m, k, gap, e)
			sums = ReduceSum(e, 1)
			mass = ReduceSum(sums, -1)
		}
		x := Mul(u, mass)
		column, below := pick(sums, x)
		entries := takeColumn(e, column) // [B, n]
		row, _ := pick(entries, Sub(x, below))
		token = Add(Mul(row, full(row, int32(columns))), column)
	}
	return token, Sub(Sub(takeOne(z, token), top), Log(total))
}

// pick returns, for each row of w [B, n] ≥ 0, the first index i with w_i > 0 and
// w_0 + … + w_i > x, and the sum before it. Where rounding leaves none, it is the
// last index with w_i > 0.
func pick(w, x *Node) (index, below *Node) {
	d := w.Shape().Dimensions
	b, n := d[0], d[1]
	g := w.Graph()
	from, to := Iota(g, shapes.Make(dtypes.Int32, n, n), 0), Iota(g, shapes.Make(dtypes.Int32, n, n), 1)
	cumulative := DotGeneral(w, []int{1}, nil, ConvertDType(LessOrEqual(from, to), dtypes.Float32), []int{0}, nil)
	at := Iota(g, shapes.Make(dtypes.Int32, b, n), 1)
	some := GreaterThan(w, ZerosLike(w))
	hit := LogicalAnd(some, GreaterThan(cumulative, BroadcastToDims(ExpandDims(x, -1), b, n)))
	first := ReduceMin(Where(hit, at, full(at, int32(n))), -1)
	last := ReduceMax(Where(some, at, ZerosLike(at)), -1)
	index = Min(first, last)
	chosen := Equal(at, BroadcastToDims(ExpandDims(index, -1), b, n))
	return index, ReduceSum(Where(chosen, Sub(cumulative, w), ZerosLike(w)), -1)
}

// asTable lays logits [B, V] out as [B, n, c] with V = n·c and c at most 256,
// filled up with logits of −1e30 where V has no such factor.
func asTable(z *Node) *Node {
	b, v := z.Shape().Dimensions[0], z.Shape().Dimensions[1]
	c := 1
	for c*c < v && c < 256 {
		c *= 2
	}
	if over := v % c; over != 0 {
		z = Pad(z, Const(z.Graph(), float32(-1e30)), compute.PadAxis{}, compute.PadAxis{End: c - over})
	}
	return Reshape(z, b, -1, c)
}

// takeColumn picks x[b, :, column[b]]: x [B, n, c], column [B], to [B, n].
func takeColumn(x, column *Node) *Node {
	b, n := x.Shape().Dimensions[0], x.Shape().Dimensions[1]
	g := x.Graph()
	at := Concatenate([]*Node{
		Iota(g, shapes.Make(dtypes.Int32, b, n, 1), 0),
		Iota(g, shapes.Make(dtypes.Int32, b, n, 1), 1),
		BroadcastToDims(Reshape(column, b, 1, 1), b, n, 1),
	}, 2)
	return Gather(x, at)
}

// takeOne picks x[b, index[b]]: x [B, V], index [B], to [B].
func takeOne(x, index *Node) *Node {
	b := x.Shape().Dimensions[0]
	rows := Iota(x.Graph(), shapes.Make(dtypes.Int32, b, 1), 0)
	return Gather(x, Concatenate([]*Node{rows, Reshape(index, b, 1)}, 1))
}

// full has like's shape and v everywhere.
func full(like *Node, v any) *Node { return BroadcastToShape(Const(like.Graph(), v), like.Shape()) }
