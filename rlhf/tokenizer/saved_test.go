package tokenizer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tokenizer"
)

// TestSaveAll writes every kind of tokenizer to the folder that HHRLHF_SAVED
// names, for testdata/check_transformers.py to compare; see there. With
// transformers 5.23.0 all of them have equal ids, but for one cut of equal score
// of a Unigram.
func TestSaveAll(t *testing.T) {
	dir := os.Getenv("HHRLHF_SAVED")
	if dir == "" {
		t.Skip("HHRLHF_SAVED names no folder: nothing to write for testdata/check_transformers.py")
	}
	var v vectors
	readJSON(t, "vectors.json", &v)
	type saved struct {
		IDs  [][]int32 `json:"ids"`
		Chat []int32   `json:"chat"`
		Size int       `json:"size"`
		EOS  int32     `json:"eos"`
		Pad  int32     `json:"pad"`
	}
	all := make(map[string]saved)
	save := func(name string, tk special) {
		if err := tk.Save(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		s := saved{Size: tk.VocabSize(), EOS: tk.EOS(), Pad: tk.Pad()}
		for _, text := range v.Texts {
			s.IDs = append(s.IDs, append(append([]int32{}, tk.Starts()...), tk.EncodeSpecial(text)...))
		}
		tmpl, err := tokenizer.ParseTemplate(tk.(interface{ ChatTemplate() string }).ChatTemplate())
		if err != nil {
			t.Fatal(err)
		}
		if s.Chat, err = tmpl.Encode(tk, []rlhf.Turn{{Text: "Hi there"}}, ""); err != nil {
			t.Fatal(err)
		}
		all[name] = s
	}
	for _, name := range families {
		save(name, open(t, filepath.Join("testdata", name)))
	}
	save("bytes", tokenizer.Bytes())
	if data := os.Getenv("HHRLHF_DATA"); data != "" {
		save("gpt2_published", open(t, filepath.Join(data, "tokenizer")))
		tk, err := tokenizer.LoadLlama2c(filepath.Join(data, "model", "tok512.bin"), 512)
		if err != nil {
			t.Fatal(err)
		}
		save("llama2c_published", tk)
	}
	if os.Getenv("HHRLHF_MODELS") != "" {
		save("smollm2_published", smolLM2(t))
	}
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ids.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}
