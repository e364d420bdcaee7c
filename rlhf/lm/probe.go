package lm

import (
	"fmt"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
)

// A Prober reads the residual stream of texts, at all layers that are asked for in one
// program, compiled once for each set of layers and width of rows. It belongs to one
// goroutine.
type Prober struct {
	be       compute.Backend
	shape    Shape
	programs map[string]*gx.Program // by the layers
}

// NewProber prepares a prober; nothing is compiled yet.
func NewProber(be compute.Backend, s Shape) *Prober {
	return &Prober{be: be, shape: s, programs: map[string]*gx.Program{}}
}

// Probe returns a vector of [Net.Activations] for each sequence and layer, out[i][k] of
// sequence i at layers[k]: that at its last token, or the mean over its tokens.
//
// Sequences of similar length share a forward pass: rows are as wide as a power of two.
// stop is asked before each pass; its error ends the call.
func (p *Prober) Probe(weights []*tensors.Tensor, seqs [][]int32, layers []int, mean bool, stop func() error) ([][][]float32, error) {
	for _, l := range layers {
		if l < 0 || l > p.shape.Layers {
			return nil, fmt.Errorf("lm: layer %d, want 0 (before the first block) to %d (after the last)", l, p.shape.Layers)
		}
	}
	if len(layers) == 0 {
		return nil, fmt.Errorf("lm: no layers to probe")
	}
	var widths []int
	groups := map[int][]int{}
	for i, ids := range seqs {
		if len(ids) == 0 || len(ids) > p.shape.Context {
			return nil, fmt.Errorf("lm: sequence %d has %d tokens, want 1 to %d, the model's context", i, len(ids), p.shape.Context)
		}
		w := min(power(len(ids), 32, 2), p.shape.Context)
		if groups[w] == nil {
			widths = append(widths, w)
		}
		groups[w] = append(groups[w], i)
	}
	out := make([][][]float32, len(seqs))
	for _, width := range widths {
		batch := passRows(width, len(groups[width]))
		for from := 0; from < len(groups[width]); from += batch {
			if err := stop(); err != nil {
				return nil, err
			}
			at := groups[width][from:min(from+batch, len(groups[width]))]
			if err := p.pass(weights, seqs, at, batch, width, layers, mean, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// pass reads the sequences with the indices at in one forward pass of batch rows.
func (p *Prober) pass(weights []*tensors.Tensor, seqs [][]int32, at []int, batch, width int, layers []int, mean bool, out [][][]float32) error {
	rows, share := make([][]int32, batch), make([]float32, batch*width)
	for b, i := range at {
		n := len(seqs[i])
		rows[b] = seqs[i]
		if !mean {
			share[b*width+n-1] = 1
			continue
		}
		for t := range n {
			share[b*width+t] = 1 / float32(n)
		}
	}
	tokens, segments, err := LayOut(p.be, rows, width, 0, false)
	if err != nil {
		return err
	}
	defer gx.Free(tokens, segments)
	shares, err := gx.Flat(p.be, share, batch, width)
	if err != nil {
		return err
	}
	defer gx.Free(shares)
	key := fmt.Sprint(layers)
	if p.programs[key] == nil {
		p.programs[key] = gx.NewProgram(p.be, "probe", func(in []*Node) []*Node {
			return []*Node{probeGraph(NewNet(p.shape, in[3:]), in[:3], layers)}
		})
	}
	res, err := p.programs[key].Call(append([]any{tokens, segments, shares}, gx.Keep(weights)...)...)
	if err != nil {
		return err
	}
	defer gx.Free(res...)
	values, err := gx.Values[float32](res[0])
	if err != nil {
		return err
	}
	for _, i := range at {
		out[i] = make([][]float32, len(layers))
		for k := range layers {
			out[i][k], values = values[:p.shape.Width:p.shape.Width], values[p.shape.Width:]
		}
	}
	return nil
}

// probeGraph takes tokens and segments and how much each slot counts, [B, T] each; it
// returns the sums of the activations at layers, [B, len(layers), D]. A slot that counts
// 0, as padding does, adds an exact 0.
func probeGraph(n *Net, in []*Node, layers []int) *Node {
	tokens, segments, share := in[0], in[1], in[2]
	xs := n.Activations(tokens, Positions(segments), CausalBias(segments), layers...)
	for i, x := range xs {
		xs[i] = DotGeneral(share, []int{1}, []int{0}, x, []int{1}, []int{0})
	}
	return Stack(xs, 1)
}
