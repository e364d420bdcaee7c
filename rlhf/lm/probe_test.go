package lm_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
)

func always() error { return nil }

// onDevice uploads the weights of a shape.
func onDevice(t *testing.T, s lm.Shape, flat [][]float32) []*tensors.Tensor {
	t.Helper()
	var ws []*tensors.Tensor
	for j, w := range s.Weights() {
		ws = append(ws, must(gx.Flat(gx.TestBackend(t), flat[j], w.Dims...)))
	}
	return ws
}

// The vectors of every architecture are those of the twin, at the last token and on
// average, at every layer and in any order of layers; not those of the layer beside, of
// the token before, or of a mean over the padded row.
func TestProbe(t *testing.T) {
	for i, f := range families {
		t.Run(f.name, func(t *testing.T) {
			flat, named := randomWeights(f.shape, uint64(i))
			seqs := randomTokens(f.shape, uint64(i))
			for r := range seqs {
				seqs[r] = seqs[r][:len(seqs[r])-2*r]
			}
			prober, ws := lm.NewProber(gx.TestBackend(t), f.shape), onDevice(t, f.shape, flat)
			layers := []int{2, 0, 1}
			last := must(prober.Probe(ws, seqs, layers, false, always))
			mean := must(prober.Probe(ws, seqs, layers, true, always))
			twin := twin{Shape: f.shape, w: named}
			for r, ids := range seqs {
				n := len(ids)
				places := make([]int32, n)
				for j := range places {
					places[j] = int32(j)
				}
				stream := twin.stream(ids, slices.Repeat([]int32{1}, n), places)
				for k, l := range layers {
					sum := make([]float64, f.shape.Width)
					for _, x := range stream[l] {
						sum = add(sum, x)
					}
					average := func(n int) []float64 {
						out := make([]float64, len(sum))
						for j := range sum {
							out[j] = sum[j] / float64(n)
						}
						return out
					}
					rltest.Close(t, "last", last[r][k], stream[l][n-1], 1e-4)
					rltest.Close(t, "mean", mean[r][k], average(n), 1e-4)
					rltest.NotClose(t, "the layer beside", last[r][k], stream[(l+1)%3][n-1], 1e-4)
					if l > 0 { // an embedding may stand there twice
						rltest.NotClose(t, "the token before", last[r][k], stream[l][n-2], 1e-4)
					}
					rltest.NotClose(t, "the mean over the padded row", mean[r][k], average(f.shape.Context), 1e-4)
				}
			}
		})
	}
}

// What stands in the padding does not matter, bit for bit; what stands in the text does.
func TestProbeIgnoresPadding(t *testing.T) {
	be, f := gx.TestBackend(t), families[1]
	flat, _ := randomWeights(f.shape, 3)
	ws := onDevice(t, f.shape, flat)
	program := gx.NewProgram(be, "probe", func(in []*graph.Node) []*graph.Node {
		return []*graph.Node{lm.ProbeGraph(lm.NewNet(f.shape, in[3:]), in[:3], []int{0, 1, 2})}
	})
	probe := func(tokens []int32, share []float32) []float32 {
		in := []any{must(gx.Rows(be, [][]int32{tokens}, 8, 0, false)), must(gx.Rows(be, [][]int32{{1, 1, 1, 1, 1}}, 8, 0, false)), must(gx.Flat(be, share, 1, 8))}
		out, err := program.Call(append(in, gx.Keep(ws)...)...)
		if err != nil {
			t.Fatal(err)
		}
		return must(gx.Values[float32](out[0]))
	}
	for _, share := range [][]float32{{0, 0, 0, 0, 1, 0, 0, 0}, {.2, .2, .2, .2, .2, 0, 0, 0}} {
		clean := probe([]int32{5, 6, 7, 8, 9, 0, 0, 0}, share)
		if poisoned := probe([]int32{5, 6, 7, 8, 9, 20, 21, 22}, share); !reflect.DeepEqual(clean, poisoned) {
			t.Errorf("the padding's tokens move the activations: %v, %v", clean, poisoned)
		}
		if other := probe([]int32{4, 6, 7, 8, 9, 0, 0, 0}, share); reflect.DeepEqual(clean, other) {
			t.Error("the text's first token moves nothing: the test sees nothing")
		}
	}
}

func TestProbeRefuses(t *testing.T) {
	s := families[0].shape
	flat, _ := randomWeights(s, 1)
	prober, ws := lm.NewProber(gx.TestBackend(t), s), onDevice(t, s, flat)
	seqs := [][]int32{{1, 2}, make([]int32, 13)}
	for want, call := range map[string]func() error{
		"layer 3, want 0":                  func() error { _, err := prober.Probe(ws, seqs[:1], []int{0, 3}, false, always); return err },
		"layer -1, want 0":                 func() error { _, err := prober.Probe(ws, seqs[:1], []int{-1}, false, always); return err },
		"no layers":                        func() error { _, err := prober.Probe(ws, seqs[:1], nil, false, always); return err },
		"sequence 1 has 13 tokens, want 1": func() error { _, err := prober.Probe(ws, seqs, []int{1}, false, always); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	if _, err := prober.Probe(ws, seqs[:1], []int{1}, false, func() error { return context.Canceled }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
