package pretrained_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"hhrlhf/rlhf/pretrained"
)

// A file that claims a terabyte is refused at once, and nothing is allocated for it.
func TestClaims(t *testing.T) {
	u32, u64 := binary.LittleEndian.AppendUint32, binary.LittleEndian.AppendUint64
	const tera = 1 << 40
	head := func(tensors, pairs uint64) []byte {
		return u64(u64(u32([]byte("GGUF"), 3), tensors), pairs)
	}
	key := func(b []byte, kind uint32) []byte { return u32(append(u64(b, 1), 'k'), kind) }
	st := func(header string) []byte { return append(u64(nil, uint64(len(header))), header...) }
	config := `{"architectures":["LlamaForCausalLM"],"hidden_size":64,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":64,
		"max_position_embeddings":16,"vocab_size":%d,"rms_norm_eps":1e-5,"tie_word_embeddings":true}`
	for name, files := range map[string]map[string][]byte{
		"gguf tensors":       {"m.gguf": head(tera, 0)},
		"gguf pairs":         {"m.gguf": head(0, tera)},
		"gguf key":           {"m.gguf": u64(head(0, 1), tera)},
		"gguf string":        {"m.gguf": u64(key(head(0, 1), 8), tera)},
		"gguf array":         {"m.gguf": u64(u32(key(head(0, 1), 9), 4), tera)},
		"gguf strings":       {"m.gguf": u64(u32(key(head(0, 1), 9), 8), tera)},
		"gguf tensor":        {"m.gguf": u64(u32(u64(u64(u32(append(u64(head(1, 0), 1), 'w'), 2), 1<<20), 1<<20), 0), 0)},
		"llama2.c":           {"m.bin": u32(u32(u32(u32(u32(u32(u32(nil, 1<<15), 1<<15), 1024), 8), 8), 1<<20), 1<<15)},
		"safetensors header": {"config.json": fmt.Appendf(nil, config, 300), "model.safetensors": append(u64(nil, tera), '{')},
		"safetensors tensor": {"config.json": fmt.Appendf(nil, config, 300), "model.safetensors": st(`{"w":{"dtype":"F32","shape":[1048576,262144],"data_offsets":[0,1099511627776]}}`)},
		"safetensors shape":  {"config.json": fmt.Appendf(nil, config, 300), "model.safetensors": st(`{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`)},
		"config":             {"config.json": fmt.Appendf(nil, config, 1<<30), "model.safetensors": st(`{}`)},
		"no file of its own": {"config.json": fmt.Appendf(nil, config, 300), "model.safetensors.index.json": []byte(`{"weight_map":{"w":"../../../../etc/passwd"}}`)},
		"absolute":           {"config.json": fmt.Appendf(nil, config, 300), "model.safetensors.index.json": []byte(`{"weight_map":{"w":"/etc/passwd"}}`)},
	} {
		dir := t.TempDir()
		path := dir
		for file, data := range files {
			if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
				t.Fatal(err)
			}
			if len(files) == 1 {
				path = filepath.Join(dir, file)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := pretrained.Open(path)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 2<<20 {
			t.Errorf("%s: error %v, %d bytes allocated", name, err, n)
		} else {
			t.Logf("%s: %d kB: %v", name, n>>10, err)
		}
	}
}
