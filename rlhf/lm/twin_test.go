package lm_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"hhrlhf/rlhf/lm"
)

// A twin is the decoder's forward pass written a second time, in plain Go and
// float64, one row and one number at a time. It shares nothing with Net but the
// list of weights. mistake, if set, makes it err in a way that has been made
// before: the tests show that they would see it.
type twin struct {
	lm.Shape
	w       map[string][]float64
	mistake string
}

// randomWeights draws every tensor wide enough that each one matters: matrices
// and biases N(0, .3²), norm scales N(1, .3²).
func randomWeights(s lm.Shape, seed uint64) (flat [][]float32, named map[string][]float64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	named = map[string][]float64{}
	for _, w := range s.Weights() {
		v32 := make([]float32, lm.Count([]lm.Weight{w}))
		v64 := make([]float64, len(v32))
		for i := range v32 {
			x := 0.3 * rng.NormFloat64()
			if w.One {
				x++
			}
			v32[i] = float32(x)
			v64[i] = float64(v32[i])
		}
		flat, named[w.Name] = append(flat, v32), v64
	}
	return flat, named
}

func (t twin) matvec(x []float64, name string) []float64 {
	w := t.w[name]
	out := make([]float64, len(w)/len(x))
	for i := range x {
		for j := range out {
			out[j] += x[i] * w[i*len(out)+j]
		}
	}
	for j, b := range t.w[name+"_bias"] { // none: no such tensor
		out[j] += b
	}
	return out
}

func (t twin) norm(x []float64, name string) []float64 {
	eps := t.Epsilon
	if eps == 0 {
		eps = 1e-5
	}
	mean, square := 0.0, 0.0
	for _, v := range x {
		mean += v / float64(len(x))
	}
	if t.Norm == "rms" && t.mistake != "RMSNorm subtracts the mean" {
		mean = 0
	}
	for _, v := range x {
		square += (v - mean) * (v - mean) / float64(len(x))
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = (v - mean) / math.Sqrt(square+eps) * t.w[name+".scale"][i]
		if t.Norm == "" {
			out[i] += t.w[name+".bias"][i]
		}
	}
	return out
}

func (t twin) act(x float64) float64 {
	kind := t.Activation
	if t.mistake == "the other GELU" {
		kind = map[string]string{"": "gelu", "gelu": ""}[kind]
	}
	switch kind {
	case "silu":
		return x / (1 + math.Exp(-x))
	case "gelu":
		return x / 2 * (1 + math.Erf(x/math.Sqrt2))
	}
	return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

func (t twin) mlp(x []float64, p string) []float64 {
	up := t.matvec(x, p+"mlp.up")
	if !t.Gated {
		for i := range up {
			up[i] = t.act(up[i])
		}
		return t.matvec(up, p+"mlp.down")
	}
	gate := t.matvec(x, p+"mlp.gate")
	if t.mistake == "gate and up exchanged" {
		gate, up = up, gate
	}
	for i := range up {
		up[i] *= t.act(gate[i])
	}
	return t.matvec(up, p+"mlp.down")
}

// rotate turns one head's vector to its position.
func (t twin) rotate(x []float64, position int) {
	r, theta := t.Rotated(), t.Theta
	if t.mistake == "the whole head rotated" {
		r = t.K()
	}
	if theta == 0 || t.mistake == "theta left at 10000" {
		theta = 10000
	}
	for i := range r / 2 {
		a, b := i, i+r/2
		if t.mistake == "neighbours rotated together" {
			a, b = 2*i, 2*i+1
		}
		angle := float64(position) * math.Pow(theta, -2*float64(i)/float64(r))
		sin, cos := math.Sincos(angle)
		x[a], x[b] = x[a]*cos-x[b]*sin, x[b]*cos+x[a]*sin
	}
}

// attention of one slot over the slots that it sees; q, k and v are a slot's
// whole vectors, heads side by side.
func (t twin) attention(q []float64, keys, values [][]float64) []float64 {
	k, group := t.K(), t.Heads/t.KV()
	out := make([]float64, len(q))
	for h := range t.Heads {
		kv := h / group
		if t.mistake == "query heads dealt round the key heads" {
			kv = h % t.KV()
		}
		p, sum := make([]float64, len(keys)), 0.0
		for j, key := range keys {
			for c := range k {
				p[j] += q[h*k+c] * key[kv*k+c]
			}
			p[j] = math.Exp(p[j] / math.Sqrt(float64(k)))
			sum += p[j]
		}
		for j, value := range values {
			for c := range k {
				out[h*k+c] += p[j] / sum * value[kv*k+c]
			}
		}
	}
	return out
}

// stream returns a row's residual stream before the first block and after each,
// [Layers + 1][T][D].
func (t twin) stream(tokens, segments, positions []int32) (layers [][][]float64) {
	d, k := t.Width, t.K()
	x := make([][]float64, len(tokens))
	for i, token := range tokens {
		x[i] = append([]float64(nil), t.w["token_embedding"][int(token)*d:][:d]...)
		if t.Rotary == 0 {
			for j := range d {
				x[i][j] += t.w["position_embedding"][int(positions[i])*d+j]
			}
		}
	}
	layers = append(layers, slices.Clone(x))
	for layer := range t.Layers {
		p := fmt.Sprintf("blocks.%d.", layer)
		var keys, values [][]float64
		for i := range x {
			normed := t.norm(x[i], p+"norm1")
			qkv := t.matvec(normed, p+"attention.qkv")
			if t.mistake == "no bias on qkv" {
				for j, b := range t.w[p+"attention.qkv_bias"] {
					qkv[j] -= b
				}
			}
			q, key, value := qkv[:t.Heads*k], qkv[t.Heads*k:][:t.KV()*k], qkv[(t.Heads+t.KV())*k:]
			if t.Rotary > 0 {
				for h := range t.Heads {
					t.rotate(q[h*k:][:k], int(positions[i]))
				}
				for h := range t.KV() {
					t.rotate(key[h*k:][:k], int(positions[i]))
				}
			}
			keys, values = append(keys, key), append(values, value)
			var seenK, seenV [][]float64
			for j := range i + 1 {
				if segments[j] == segments[i] {
					seenK, seenV = append(seenK, keys[j]), append(seenV, values[j])
				}
			}
			attended := t.matvec(t.attention(q, seenK, seenV), p+"attention.out")
			y := add(x[i], attended)
			if t.Parallel && t.mistake != "blocks one after the other" {
				x[i] = add(y, t.mlp(t.norm(x[i], p+"norm2"), p))
			} else {
				x[i] = add(y, t.mlp(t.norm(y, p+"norm2"), p))
			}
		}
		layers = append(layers, slices.Clone(x))
	}
	return layers
}

// logits returns a row's logits, [T][V − Spare]; nil where the segment is 0.
func (t twin) logits(tokens, segments, positions []int32) [][]float64 {
	d := t.Width
	x := t.stream(tokens, segments, positions)[t.Layers]
	head := t.w["token_embedding"]
	if t.Untied && t.mistake != "the head tied" {
		head = t.w["output"]
	}
	out := make([][]float64, len(tokens))
	for i := range x {
		if segments[i] == 0 {
			continue
		}
		h := t.norm(x[i], "final_norm")
		out[i] = make([]float64, t.Vocab-t.Spare)
		for v := range out[i] {
			for j := range d {
				out[i][v] += h[j] * head[v*d+j]
			}
		}
	}
	return out
}

func add(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] + b[i]
	}
	return out
}
