package pm

import (
	"fmt"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/tokenizer"
)

// rowsPerCall is the number of sequences that one scoring call takes.
const rowsPerCall = 32

// A Model scores responses.
type Model struct {
	Shape   lm.Shape
	Context int               // most tokens of prompt, response and end-of-context together
	Weights []*tensors.Tensor // of Shape.ScalarWeights
	Tok     tokenizer.Tokenizer

	be    compute.Backend
	score *gx.Program
}

// New makes a model of weights in the order of shape.ScalarWeights.
func New(be compute.Backend, shape lm.Shape, context int, tok tokenizer.Tokenizer, weights []*tensors.Tensor) (*Model, error) {
	if context > shape.Context || context < 3 {
		return nil, fmt.Errorf("pm: Context = %d, want 3 to %d, the trunk's", context, shape.Context)
	}
	m := &Model{Shape: shape, Context: context, Weights: weights, Tok: tok, be: be}
	m.score = gx.NewProgram(be, "pm score", func(in []*Node) []*Node {
		return []*Node{scoreGraph(shape, in[2:], in[0], in[1])}
	})
	return m, nil
}

// scoreGraph returns the score of each row, [N]: the scalar head at the last
// token. tokens and segments are [N, T], padded at the end.
func scoreGraph(s lm.Shape, weights []*Node, tokens, segments *Node) *Node {
	t := tokens.Shape().Dimensions[1]
	net := lm.NewNet(s, weights)
	h := net.Hidden(tokens, lm.Positions(segments), lm.CausalBias(segments)) // [N, T, D]
	last := SubScalar(ReduceSum(segments, -1), 1)                            // [N]; −1 for an empty row
	at := OneHot(MaxScalar(last, 0), t, h.DType())                           // [N, T]
	return net.Scalar(DotGeneral(at, []int{1}, []int{0}, h, []int{1}, []int{0}), weights)
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
	seqs := make([][]int32, len(prompts))
	for i := range prompts {
		if n := len(prompts[i]) + len(responses[i]) + 1; n > m.Context {
			return nil, fmt.Errorf("pm: sequence %d has %d tokens, more than the model's context of %d", i, n, m.Context)
		}
		seqs[i] = join(prompts[i], responses[i], m.Tok.EOC())
	}
	return m.scoreSequences(seqs)
}

func join(prompt, response []int32, eoc int32) []int32 {
	s := make([]int32, 0, len(prompt)+len(response)+1)
	return append(append(append(s, prompt...), response...), eoc)
}

// scoreSequences scores whole sequences, those of one width together.
func (m *Model) scoreSequences(seqs [][]int32) ([]float32, error) {
	byWidth := map[int][]int{}
	for i, s := range seqs {
		w := Bucket(len(s), m.Context)
		byWidth[w] = append(byWidth[w], i)
	}
	scores := make([]float32, len(seqs))
	for w, at := range byWidth { // each sequence's score depends on itself alone, so the order is free
		for start := 0; start < len(at); start += rowsPerCall {
			part := at[start:min(start+rowsPerCall, len(at))]
			rows := make([][]int32, rowsPerCall)
			for i, j := range part {
				rows[i] = seqs[j]
			}
			got, err := m.call(rows, w)
			if err != nil {
				return nil, err
			}
			for i, j := range part {
				scores[j] = got[i]
			}
		}
	}
	return scores, nil
}

func (m *Model) call(rows [][]int32, width int) ([]float32, error) {
	tokens, segments, err := lm.LayOut(m.be, rows, width, m.Tok.Pad(), false)
	if err != nil {
		return nil, err
	}
	defer gx.Free(tokens, segments)
	out, err := m.score.Call(append([]any{tokens, segments}, gx.Keep(m.Weights)...)...)
	if err != nil {
		return nil, err
	}
	defer gx.Free(out...)
	return gx.Values[float32](out[0])
}

// Bucket returns the width that a sequence of n tokens is padded to: the next
// power of two from 32, at most most. Each width is compiled once.
func Bucket(n, most int) int {
	w := 32
	for w < n {
		w *= 2
	}
	return min(w, most)
}
