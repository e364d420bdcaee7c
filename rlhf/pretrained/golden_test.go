package pretrained_test

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/safetensors"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pretrained"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// element is a number in [-1/2, 1/2) with 24 bits; testdata/record_logits.py has
// the same function.
func element(seed, i uint32) float64 {
	h := seed ^ i*2654435761
	h = (h>>16 ^ h) * 0x45d9f3b
	h = h>>16 ^ h
	return float64(h>>8)/(1<<24) - 0.5
}

// values are the elements of the recorded models' tensor of that name.
func values(name string, dims []int) []float32 {
	n := 1
	for _, d := range dims {
		n *= d
	}
	shift := 0.0
	if len(dims) == 1 && strings.HasSuffix(name, "weight") {
		shift = 1 // the scale of a norm
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(shift + 0.5*element(crc32.ChecksumIEEE([]byte(name)), uint32(i)))
	}
	return v
}

// A recording is what testdata/record_logits.py has written of a tiny model.
type recording struct {
	Config  map[string]any   `json:"config"`
	Tensors map[string][]int `json:"tensors"`
	Tokens  []int32          `json:"tokens"`
	Logits  [][]float32      `json:"logits"`
}

func record(t testing.TB, name string) recording {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	check(t, err)
	var r recording
	check(t, json.Unmarshal(data, &r))
	return r
}

// tensors are the recorded model's, in the order of their names.
func (r recording) tensors() []safetensors.Tensor {
	var ts []safetensors.Tensor
	for name, dims := range r.Tensors {
		ts = append(ts, safetensors.Tensor{Name: name, DType: "F32", Shape: dims, Data: bytesOf(values(name, dims))})
	}
	slices.SortFunc(ts, func(a, b safetensors.Tensor) int { return strings.Compare(a.Name, b.Name) })
	return ts
}

func bytesOf(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		u := math.Float32bits(x)
		b = append(b, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
	}
	return b
}

// folder writes the recorded model as a Hugging Face folder.
func (r recording) folder(t testing.TB, ts ...safetensors.Tensor) string {
	t.Helper()
	dir := t.TempDir()
	if ts == nil {
		ts = r.tensors()
	}
	config, err := json.Marshal(r.Config)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, pretrained.ConfigName), config, 0o600))
	f, err := os.Create(filepath.Join(dir, safetensors.FileName))
	check(t, err)
	check(t, safetensors.Write(f, ts))
	check(t, f.Close())
	return dir
}

// forward returns a function that runs a model of shape s over one row of tokens.
func forward(t testing.TB, s lm.Shape) func(weights []*tensors.Tensor, tokens []int32) [][]float32 {
	be := gx.TestBackend(t)
	n := len(s.Weights())
	p := gx.NewProgram(be, "pretrained test", func(in []*graph.Node) []*graph.Node {
		net, ids := lm.NewNet(s, in[:n]), in[n]
		segments := graph.OnesLike(ids)
		h := net.Hidden(ids, graph.Iota(ids.Graph(), ids.Shape(), 1), lm.CausalBias(segments))
		return []*graph.Node{graph.Squeeze(net.Logits(h), 0)}
	})
	return func(weights []*tensors.Tensor, tokens []int32) [][]float32 {
		t.Helper()
		ids, err := gx.Flat(be, tokens, 1, len(tokens))
		check(t, err)
		out, err := p.Call(append(gx.Keep(weights), ids)...)
		check(t, err)
		rows, err := gx.Matrix[float32](out[0])
		check(t, err)
		gx.Free(out...)
		return rows
	}
}

// distance is the largest difference of two tables.
func distance(a, b [][]float32) float64 {
	d := 0.0
	for i := range a {
		for j := range a[i] {
			d = max(d, math.Abs(float64(a[i][j]-b[i][j])))
		}
	}
	return d
}

// tolerance of logits up to 3 between two float32 implementations.
const tolerance = 1e-4

var recordings = []string{"llama", "llama_tied", "qwen2", "gpt2", "gpt_neox", "gpt_neox_sequential"}

// Every architecture gives the logits of transformers, and a weight that is read
// in another order does not.
func TestGoldenLogits(t *testing.T) {
	be := gx.TestBackend(t)
	for _, name := range recordings {
		t.Run(name, func(t *testing.T) {
			r := record(t, name)
			m, err := pretrained.Open(r.folder(t))
			check(t, err)
			if want, ok := strings.CutSuffix(name, "_tied"); ok && m.Family != want {
				t.Errorf("family %q", m.Family)
			}
			weights, err := m.Weights(be)
			check(t, err)
			defer gx.Free(weights...)
			logits := forward(t, m.Shape)
			if d := distance(r.Logits, logits(weights, r.Tokens)); d > tolerance {
				t.Errorf("logits differ by %g, want at most %g", d, tolerance)
			} else {
				t.Logf("logits differ by %.2g", d)
			}
			// The mistake that no check of shapes finds: two columns of q in the wrong order.
			ws := m.Shape.Weights()
			i := slices.IndexFunc(ws, func(w lm.Weight) bool { return strings.HasSuffix(w.Name, "attention.qkv") })
			v, err := gx.Values[float32](weights[i])
			check(t, err)
			for at := 0; at < len(v); at += ws[i].Dims[1] {
				v[at], v[at+1] = v[at+1], v[at]
			}
			wrong := slices.Clone(weights)
			wrong[i], err = gx.Flat(be, v, ws[i].Dims...)
			check(t, err)
			defer gx.Free(wrong[i])
			d := distance(r.Logits, logits(wrong, r.Tokens))
			if d < 10*tolerance {
				t.Errorf("with two columns of q exchanged the logits differ by %g only: the comparison sees nothing", d)
			}
		})
	}
}
