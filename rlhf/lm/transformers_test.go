package lm_test

import (
	"encoding/json"
	"os"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
)

// congruential is the generator of testdata/record_transformers.py.
func congruential(s lm.Shape) (flat [][]float32, named map[string][]float64) {
	named = map[string][]float64{}
	for index, w := range s.Weights() {
		x := uint32(index + 1)
		v32 := make([]float32, lm.Count([]lm.Weight{w}))
		v64 := make([]float64, len(v32))
		for i := range v32 {
			x = 1664525*x + 1013904223
			v64[i] = float64(x>>8)/(1<<24) - 0.5
			if w.One {
				v64[i]++
			}
			v32[i] = float32(v64[i])
		}
		flat, named[w.Name] = append(flat, v32), v64
	}
	return flat, named
}

// Our logits are those of Hugging Face transformers, recorded by
// testdata/record_transformers.py, and so are the twin's; the twin's are not when
// it makes one of the known mistakes.
func TestTransformers(t *testing.T) {
	be := gx.TestBackend(t)
	var recorded struct {
		Tokens, Segments, Positions [][]int32
		Models                      map[string]struct {
			Shape  lm.Shape
			Logits [][][]float64 // of the slots that are not padding
		}
	}
	if err := json.Unmarshal(must(os.ReadFile("testdata/transformers.json")), &recorded); err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		r, ok := recorded.Models[f.name]
		if !ok {
			continue // llama2.c's is Llama's architecture
		}
		delete(recorded.Models, f.name)
		t.Run(f.name, func(t *testing.T) {
			const tolerance = 2e-5
			flat, named := congruential(r.Shape)
			for row, want := range r.Logits {
				var got [][]float64
				for _, slot := range (twin{r.Shape, named, ""}).logits(recorded.Tokens[row], recorded.Segments[row], recorded.Positions[row]) {
					if slot != nil {
						got = append(got, slot)
					}
				}
				rltest.Close(t, "the twin", got, want, tolerance)
			}
			for _, mistake := range f.mistakes {
				wrong := twin{r.Shape, named, mistake}.logits(recorded.Tokens[0], recorded.Segments[0], recorded.Positions[0])
				rltest.NotClose(t, mistake, wrong, r.Logits[0], 10*tolerance)
			}

			program := gx.NewProgram(be, "logits", func(in []*Node) []*Node {
				net := lm.NewNet(r.Shape, in[3:])
				return []*Node{net.Logits(net.Hidden(in[0], in[2], lm.CausalBias(in[1])))}
			})
			var in []any
			for _, m := range [][][]int32{recorded.Tokens, recorded.Segments, recorded.Positions} {
				in = append(in, must(gx.Rows(be, m, len(m[0]), 0, false)))
			}
			for i, w := range r.Shape.Weights() {
				in = append(in, must(gx.Flat(be, flat[i], w.Dims...)))
			}
			out, err := program.Call(in...)
			if err != nil {
				t.Fatal(err)
			}
			defer gx.Free(out...)
			values := must(gx.Values[float32](out[0]))
			for row, segments := range recorded.Segments {
				var got [][]float32
				for _, segment := range segments {
					if segment != 0 {
						got = append(got, values[:r.Shape.Vocab])
					}
					values = values[r.Shape.Vocab:]
				}
				rltest.Close(t, "the network", got, r.Logits[row], tolerance)
			}
		})
	}
	if len(recorded.Models) != 0 {
		t.Errorf("%d recorded models are of no known family", len(recorded.Models))
	}
}
