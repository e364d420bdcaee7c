package pretrained_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/pretrained"
)

// llama2c writes a recorded model as export.py of llama2.c does.
func (r recording) llama2c(untied bool) []byte {
	var b bytes.Buffer
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	const d, layers, heads, kv, vocab, context, k = 32, 2, 4, 1, 40, 64, 8
	head := []int32{d, 40, layers, heads, kv, vocab, context}
	if untied {
		head[5] = -vocab
	}
	put(head)
	one := func(name string) { put(values(name, r.Tensors[name])) }
	stack := func(name string, pairs bool) {
		for i := range layers {
			name := strings.Replace("model.layers.N."+name, "N", string(rune('0'+i)), 1)
			v := values(name, r.Tensors[name])
			if pairs {
				v = reorder(v, r.Tensors[name][0], func(i int) int { h, j := i/k, i%k; return h*k + j%2*(k/2) + j/2 })
			}
			put(v)
		}
	}
	one("model.embed_tokens.weight")
	stack("input_layernorm.weight", false)
	stack("self_attn.q_proj.weight", true)
	stack("self_attn.k_proj.weight", true)
	stack("self_attn.v_proj.weight", false)
	stack("self_attn.o_proj.weight", false)
	stack("post_attention_layernorm.weight", false)
	stack("mlp.gate_proj.weight", false)
	stack("mlp.down_proj.weight", false)
	stack("mlp.up_proj.weight", false)
	one("model.norm.weight")
	put(make([]float32, 2*context*k/2))
	if untied {
		put(values("lm_head.weight", []int{vocab, d}))
	}
	return b.Bytes()
}

// A llama2.c checkpoint has the shape and, bit for bit, the weights of the Hugging
// Face folder of the model.
func TestLlama2cEqualsFolder(t *testing.T) {
	be := gx.TestBackend(t)
	for _, untied := range []bool{false, true} {
		r := record(t, "llama_tied")
		path := filepath.Join(t.TempDir(), "model.bin")
		check(t, os.WriteFile(path, r.llama2c(untied), 0o600))
		m, err := pretrained.Open(path)
		check(t, err)
		r.Config["tie_word_embeddings"] = !untied
		ts := r.tensors()
		if untied {
			ts = append(ts, f32("lm_head.weight", 40, 32))
		}
		same, err := pretrained.Open(r.folder(t, ts...))
		check(t, err)
		if diff := cmp.Diff(same.Shape, m.Shape); diff != "" {
			t.Fatalf("shape (-folder +llama2.c):\n%s", diff)
		}
		got, err := m.Weights(be)
		check(t, err)
		want, err := same.Weights(be)
		check(t, err)
		if diff := cmp.Diff(bits(t, want), bits(t, got)); diff != "" {
			t.Errorf("weights (-folder +llama2.c):\n%.400s", diff)
		}
		gx.Free(append(got, want...)...)
	}
}

func TestLlama2cErrors(t *testing.T) {
	good := record(t, "llama_tied").llama2c(false)
	header := func(i int, v int32) []byte {
		out := bytes.Clone(good)
		binary.LittleEndian.PutUint32(out[4*i:], uint32(v))
		return out
	}
	if err := pretrained.ReadLlama2c(good); err != nil {
		t.Fatalf("the good file: %v", err)
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "its header of 28 bytes"},
		{"short", good[:len(good)-4], "bytes, its header calls for"},
		{"cut", good[:20000], "end past the file's 20000"},
		{"long", append(bytes.Clone(good), 0), "bytes, its header calls for"},
		{"untied but short", header(5, -40), `tensor "lm_head.weight": its 5120 bytes`},
		{"version 1", header(0, 0x616b3432), "llama2.c version 40"},
		{"negative", header(0, -32), "is it a checkpoint of llama2.c?"},
		{"smallest vocabulary", header(5, -1<<31), "is it a checkpoint of llama2.c?"},
		{"no heads", header(3, 0), "is it a checkpoint of llama2.c?"},
		{"no key heads", header(4, 0), "is it a checkpoint of llama2.c?"},
		{"heads", header(3, 5), "want a divisor of Width"},
		{"key heads", header(4, 3), "want a divisor of Heads"},
		{"hostile layers", header(2, 1<<30), "layers 1073741824"},
		{"odd heads", header(3, 32), "a fraction that rotates an even number"},
		{"hostile context", header(6, 1<<30), "its header calls for"},
	} {
		err := pretrained.ReadLlama2c(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.want)
		}
	}
}

// FuzzLlama2c: whatever the bytes, no panic.
func FuzzLlama2c(f *testing.F) {
	for _, vocab := range []int32{3, -3} { // the smallest models: 2 wide, one layer, one head
		var b bytes.Buffer
		check(f, binary.Write(&b, binary.LittleEndian, []int32{2, 1, 1, 1, 1, vocab, 1}))
		floats := 3*2 + 2 + 4*4 + 2 + 3*2 + 2 + 2*1
		if vocab < 0 {
			floats += 3 * 2
		}
		b.Write(make([]byte, 4*floats))
		check(f, pretrained.ReadLlama2c(b.Bytes()))
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) { _ = pretrained.ReadLlama2c(data) })
}
