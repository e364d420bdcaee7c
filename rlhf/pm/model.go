package pm

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/tokenizer"
)

// A Model scores responses.
type Model struct {
	Shape   lm.Shape
	Context int               // most tokens of prompt, response and end-of-context together
	Weights []*tensors.Tensor // as ScalarWeights lists them
	Tok     tokenizer.Tokenizer

	programs *Programs
}

// What the head reads of the trunk's activations.
const (
	End        = "end"      // those at the end-of-context token, [D]
	EndAndMean = "end+mean" // those, and the mean over the response, [2·D]
)

// reads is how many activations of width D the head reads of a response.
func reads(readout string) int {
	if readout == EndAndMean {
		return 2
	}
	return 1
}

// ScalarWeights lists the weights of a preference model: those of the decoder, then head
// [D] or [2·D] and head_bias [].
func ScalarWeights(s lm.Shape, readout string) []lm.Weight {
	ws := s.ScalarWeights()
	ws[len(ws)-2].Dims = []int{reads(readout) * s.Width}
	return ws
}

// New makes a model of weights in the order of [ScalarWeights].
func New(programs *Programs, context int, tok tokenizer.Tokenizer, weights []*tensors.Tensor) (*Model, error) {
	shape := programs.shape
	if context > shape.Context || context < 3 {
		return nil, fmt.Errorf("pm: Context = %d, want 3 to %d, the trunk's", context, shape.Context)
	}
	list := ScalarWeights(shape, programs.readout)
	if len(weights) != len(list) {
		return nil, fmt.Errorf("pm: %d weights, want %d", len(weights), len(list))
	}
	if got, want := weights[len(list)-2].Shape().Size(), list[len(list)-2].Dims[0]; got != want {
		return nil, fmt.Errorf("pm: the head reads %d activations, Readout = %q has %d", got, programs.readout, want)
	}
	return &Model{Shape: shape, Context: context, Weights: weights, Tok: tok, programs: programs}, nil
}

// Programs are the compiled programs of preference models of one shape: as many
// models as there are may share them, one after another.
type Programs struct {
	be      compute.Backend
	shape   lm.Shape
	readout string
	score   *gx.Program
	steps   map[stepKind]*stepProgram
	read    *gx.Program // the frozen trunk
}

// NewPrograms prepares the programs; each is compiled when it is first needed, once
// for each width of rows. readout is End (also "") or EndAndMean.
func NewPrograms(be compute.Backend, shape lm.Shape, readout string) *Programs {
	p := &Programs{be: be, shape: shape, readout: readout, steps: map[stepKind]*stepProgram{}}
	p.score = gx.NewProgram(be, "pm score", func(in []*Node) []*Node {
		net := lm.NewNet(shape, in[3:])
		return []*Node{net.Scalar(p.picked(net, in[:3]), in[3:])} // [B, 2]
	})
	p.read = gx.NewProgram(be, "pm trunk", func(in []*Node) []*Node {
		return []*Node{p.picked(lm.NewNet(shape, in[3:]), in[:3])} // [B, 2, reads·D]
	})
	return p
}

// The segments of a row: what stands in it, in this order. Padding, 0, may stand on
// either side.
const (
	promptSegment int32 = 1 + iota
	chosenSegment
	rejectedSegment
)

// hidden runs the trunk over rows: tokens, segments and positions, [B, T] each. The
// second response does not see the first, and its positions go on from the prompt,
// so that each is read as if it stood alone behind the prompt.
func hidden(net *lm.Net, rows []*Node) *Node {
	return net.Hidden(rows[0], rows[2], lm.BranchBias(rows[1]))
}

// picked is pick of the trunk's activations. Where the head reads an activation at one
// slot, the last block need not compute the others.
func (p *Programs) picked(net *lm.Net, rows []*Node) *Node {
	if p.readout == EndAndMean {
		return p.pick(hidden(net, rows), rows[1])
	}
	ends := func(x *Node) *Node { return p.weighted(rows[1], x) }
	return net.HiddenAt(rows[0], rows[2], lm.BranchBias(rows[1]), ends)
}

// pick returns what the head reads of either response, [B, 2, D] or [B, 2, 2·D]: the
// activations at its last token, the end-of-context token, and with EndAndMean their
// mean over the response. A row with one response has it twice.
func (p *Programs) pick(h, segments *Node) *Node {
	return Reshape(p.weighted(segments, h), segments.Shape().Dimensions[0], 2, -1)
}

// weighted returns sums of x [B, T, …] over T by weights that make them what pick
// wants: [B, 2·reads, …].
func (p *Programs) weighted(segments, x *Node) *Node {
	b, t := segments.Shape().Dimensions[0], segments.Shape().Dimensions[1]
	slots := Iota(x.Graph(), segments.Shape(), 1)
	of := func(segment int32) *Node { return Equal(segments, MulScalar(OnesLike(segments), segment)) }
	last := func(in *Node) *Node { // [B]; −1 where there is none
		return ReduceMax(Where(in, slots, MulScalar(OnesLike(slots), -1)), -1)
	}
	first, second := of(chosenSegment), of(rejectedSegment)
	none := LessThan(last(second), ScalarZero(x.Graph(), slots.DType()))
	second = Where(BroadcastToDims(ExpandDims(none, -1), b, t), first, second)
	var rows []*Node // [B, T] each, how much of every slot
	for _, in := range []*Node{first, second} {
		rows = append(rows, OneHot(MaxScalar(last(in), 0), t, x.DType()))
		if p.readout == EndAndMean {
			here := ConvertDType(in, x.DType())
			rows = append(rows, Div(here, MaxScalar(ReduceAndKeep(here, ReduceSum, -1), 1)))
		}
	}
	return DotGeneral(Stack(rows, 1), []int{2}, []int{0}, x, []int{1}, []int{0})
}

// arrange chooses how pairs stand in rows, by what the rows cost: each pair in one, its
// prompt computed once, or each response in one of its own behind the prompt, first the
// chosen ones. A response needs no row with the other in it, so rows apart are the
// shorter ones, and attention grows with the square of a row.
func (m *Model) arrange(pairs []Pair) (rows []Pair, width int) {
	apart := make([]Pair, 2*len(pairs))
	for i, p := range pairs {
		if p.Rejected == nil {
			return pairs, Bucket(longest(pairs))
		}
		apart[i], apart[len(pairs)+i] = p, p
		apart[i].Rejected = nil
		apart[len(pairs)+i].Chosen, apart[len(pairs)+i].Rejected = p.Rejected, nil
	}
	together, alone := Bucket(longest(pairs)), Bucket(longest(apart))
	const worthAProgram = 0.95 // of the other cost; a width that comes in both ways is compiled twice
	if 2*m.slotCost(alone)*float64(alone) < worthAProgram*m.slotCost(together)*float64(together) {
		return apart, alone
	}
	return pairs, together
}

// longest is the length of the longest row.
func longest(rows []Pair) (n int) {
	for _, p := range rows {
		n = max(n, p.slots())
	}
	return n
}

// slotCost estimates what one slot of a row costs, in floating-point operations of a
// matrix product: two for each weight of a block, and for each slot of the row and head
// 4·K for two products and the softmax, which takes as long as 300 (150 to 440 measured in
// training on two Zen 4 cores, with K = 32 and 64 and rows of 64 to 512).
func (m *Model) slotCost(width int) float64 {
	s := m.Shape
	return 2*float64(s.NonEmbedding()) + float64(s.Layers*s.Heads*width)*float64(4*s.K()+300)
}

// layOut makes the rows of pairs, [n, width] each; a pair without Rejected is one
// response. Rows beyond the pairs are padding.
func (m *Model) layOut(pairs []Pair, n, width int) ([]*tensors.Tensor, error) {
	tokens, segments, positions := make([][]int32, n), make([][]int32, n), make([][]int32, n)
	for i, p := range pairs {
		tokens[i] = slices.Concat(p.Prompt, p.Chosen, p.Rejected)
		for s, part := range [][]int32{p.Prompt, p.Chosen, p.Rejected} {
			from := 0
			if s > 0 {
				from = len(p.Prompt)
			}
			for j := range part {
				segments[i] = append(segments[i], promptSegment+int32(s))
				positions[i] = append(positions[i], int32(from+j))
			}
		}
	}
	rows := make([]*tensors.Tensor, 3)
	for i, r := range []struct {
		rows [][]int32
		pad  int32
	}{{tokens, m.Tok.Pad()}, {segments, 0}, {positions, 0}} {
		var err error
		if rows[i], err = gx.Rows(m.programs.be, r.rows, width, r.pad, false); err != nil {
			gx.Free(rows[:i]...)
			return nil, err
		}
	}
	return rows, nil
}

// Score scores the responses of transcripts.
func (m *Model) Score(ts []rlhf.Transcript) ([]float32, error) {
	prompts, responses := make([][]int32, len(ts)), make([][]int32, len(ts))
	for i, t := range ts {
		var ok bool
		_, responses[i] = tokenizer.EncodeTranscript(m.Tok, t)
		prompts[i], _, ok = tokenizer.FitPrompt(m.Tok, t.Prompt, m.Context-1-len(responses[i]))
		if !ok {
			return nil, fmt.Errorf("pm: transcript %d: its last question and the response have more than %d tokens, the model's context; shorten it or train with a larger Context", i, m.Context)
		}
	}
	return m.ScoreTokens(prompts, responses)
}

// ScoreTokens scores responses given as token ids (end token included where the
// response has one) to prompts given as token ids. It appends the end-of-context
// token itself.
func (m *Model) ScoreTokens(prompts, responses [][]int32) ([]float32, error) {
	pairs := make([]Pair, len(prompts))
	for i := range prompts {
		if n := len(prompts[i]) + len(responses[i]) + 1; n > m.Context {
			return nil, fmt.Errorf("pm: sequence %d has %d tokens, more than the model's context of %d", i, n, m.Context)
		}
		pairs[i] = Pair{Prompt: prompts[i], Chosen: append(slices.Clone(responses[i]), m.Tok.EOC())}
	}
	scores, err := m.ScorePairs(pairs)
	out := make([]float32, len(scores))
	for i, s := range scores {
		out[i] = s[0]
	}
	return out, err
}

// ScorePairs scores both sides of pairs: chosen, rejected.
func (m *Model) ScorePairs(pairs []Pair) ([][2]float32, error) {
	scores := make([][2]float32, len(pairs))
	err := m.each(m.programs.score, m.Weights, pairs, func(i, side int, score []float32) { scores[i][side] = score[0] })
	return scores, err
}

// each runs a program that gives an equal number of values for either response of a row,
// over pairs, rows of one width together, and hands the values out: side 0 is the chosen
// response, 1 the rejected one.
func (m *Model) each(program *gx.Program, weights []*tensors.Tensor, pairs []Pair, take func(i, side int, values []float32)) error {
	type place struct {
		row     Pair
		i, side int // of its first response
	}
	byWidth := map[int][]place{}
	for i, p := range pairs {
		rows, width := m.arrange([]Pair{p})
		for side, row := range rows {
			byWidth[width] = append(byWidth[width], place{row, i, side})
		}
	}
	for w := range byWidth {
		n := m.rowsPerCall(w)
		for at := range slices.Chunk(byWidth[w], n) {
			part := make([]Pair, len(at))
			for k, p := range at {
				part[k] = p.row
			}
			values, err := m.call(program, weights, part, n, w)
			if err != nil {
				return err
			}
			per := len(values) / (2 * n)
			for k, p := range at {
				take(p.i, p.side, values[2*k*per:(2*k+1)*per])
				if p.row.Rejected != nil {
					take(p.i, 1, values[(2*k+1)*per:(2*k+2)*per])
				}
			}
		}
	}
	return nil
}

func (m *Model) call(program *gx.Program, weights []*tensors.Tensor, part []Pair, n, width int) ([]float32, error) {
	rows, err := m.layOut(part, n, width)
	if err != nil {
		return nil, err
	}
	defer gx.Free(rows...)
	out, err := program.Call(append(gx.Keep(rows), gx.Keep(weights)...)...)
	if err != nil {
		return nil, err
	}
	defer gx.Free(out...)
	return gx.Values[float32](out[0])
}

// rowsPerCall is how many rows one scoring call takes: at most 32, and so few that a
// call of a large trunk ends in about two seconds on two cores (10¹¹ weights × tokens).
func (m *Model) rowsPerCall(width int) int {
	n := 32
	for n > 1 && int64(n*width)*lm.Count(m.Shape.Weights()) > 1e11 {
		n /= 2
	}
	return n
}

// Bucket returns the width that a row of n tokens is padded to: 32, 64, and from
// there on powers of two and their halves between. Each width is compiled once.
func Bucket(n int) int {
	w := 32
	for w < n {
		if w >= 64 && w+w/2 >= n {
			return w + w/2
		}
		w *= 2
	}
	return w
}

// Weights makes a preference model's weights of a language model's, which it takes
// over: the first layers blocks of s, and a head at zero for a readout. Where the vocabulary had
// no end-of-context token before, the token starts as a copy of the end token.
func Weights(be compute.Backend, s lm.Shape, layers int, readout string, tok tokenizer.Tokenizer, trunk []*tensors.Tensor) (lm.Shape, []*tensors.Tensor, error) {
	if layers < 0 || layers > s.Layers {
		return s, nil, fmt.Errorf("pm: Layers = %d, want 0 (all) to %d, the trunk's", layers, s.Layers)
	}
	byName := map[string]*tensors.Tensor{}
	for i, w := range s.Weights() {
		byName[w.Name] = trunk[i]
	}
	if layers > 0 {
		s.Layers = layers
	}
	var out []*tensors.Tensor
	for _, w := range s.Weights() {
		out = append(out, byName[w.Name])
		delete(byName, w.Name)
	}
	for _, t := range byName {
		gx.Free(t)
	}
	if s.Spare > 0 && int(tok.EOC()) >= s.Vocab-s.Spare {
		err := tensors.MutableFlatData(out[0], func(embedding []float32) {
			row := func(id int32) []float32 { return embedding[int(id)*s.Width : (int(id)+1)*s.Width] }
			copy(row(tok.EOC()), row(tok.EOS()))
		})
		if err != nil {
			return s, nil, fmt.Errorf("pm: the end-of-context token: %w", err)
		}
	}
	n := reads(readout) * s.Width
	head, err := gx.Flat(be, make([]float32, n), n)
	if err != nil {
		return s, nil, err
	}
	bias, err := gx.Flat(be, []float32{0})
	if err != nil {
		return s, nil, err
	}
	return s, append(out, head, bias), nil
}

// half is the dtype of a precision's products.
func half(be compute.Backend, precision string) (dtypes.DType, error) {
	return lm.Precision(be, map[string]string{"bfloat16": "bf16"}[precision])
}
