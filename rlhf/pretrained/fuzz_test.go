package pretrained_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"hhrlhf/rlhf/pretrained"
)

// FuzzFolder: whatever the files of a Hugging Face folder say, opening it gives a
// model or an error, at a cost of some times their size.
func FuzzFolder(f *testing.F) {
	llama := `{"architectures":["LlamaForCausalLM"],"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":16,
		"max_position_embeddings":16,"vocab_size":300,"rms_norm_eps":1e-5,"rope_scaling":null,"tie_word_embeddings":true,"hidden_act":"silu"}`
	gpt2 := `{"model_type":"gpt2","n_embd":8,"n_layer":1,"n_head":2,"n_positions":16,"vocab_size":300,"rope_parameters":{"rope_theta":1,"rope_type":"default"}}`
	index := `{"weight_map":{"wte.weight":"../../etc/passwd","model.norm.weight":"model-1.safetensors"}}`
	tensor := `{"wte.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	weights := append([]byte{byte(len(tensor)), 0, 0, 0, 0, 0, 0, 0}, tensor+"\x00\x00\x00\x00"...)
	for _, config := range []string{llama, gpt2} {
		f.Add([]byte(config), []byte(index), weights)
	}
	f.Add([]byte(llama), []byte{}, []byte("\xff\xff\xff\xff\xff\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, config, index, weights []byte) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{"config.json": config, "model.safetensors.index.json": index, "model-1.safetensors": weights} {
			if len(index) == 0 && name == "model-1.safetensors" {
				name = "model.safetensors"
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		pretrained.Open(dir)
		runtime.ReadMemStats(&after)
		if n, size := after.TotalAlloc-before.TotalAlloc, len(config)+len(index)+len(weights); n > 8<<20+200*uint64(size) {
			t.Errorf("%d bytes allocated for files of %d", n, size)
		}
	})
}
