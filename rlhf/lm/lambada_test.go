package lm_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"hhrlhf/rlhf/internal/gx"
	"hhrlhf/rlhf/internal/rltest"
	"hhrlhf/rlhf/lm"
	"hhrlhf/rlhf/pretrained"
)

// SmolLM2-135M-Instruct (Q4_1) completes .300 of the first 150 passages of LAMBADA
// greedily, the reference figure, which we meet with 45; 6 of them are among the first
// 20. RLHF_LAMBADA=150 runs them all, which takes minutes.
func TestLAMBADA(t *testing.T) {
	rows, want := 20, 6
	if os.Getenv("RLHF_LAMBADA") == "150" {
		rows, want = 150, 45
	}
	folder := os.Getenv("HHRLHF_DATA")
	if folder == "" {
		t.Skip("HHRLHF_DATA, the folder with the data of the tests, is not set")
	}
	path := rltest.Model(t, "smollm2")
	be := gx.TestBackend(t)
	m, err := pretrained.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	weights, err := m.Weights(be)
	if err != nil {
		t.Fatal(err)
	}
	defer gx.Free(weights...)
	f, err := os.Open(filepath.Join(folder, "eval", "lambada_openai.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var pairs []lm.Pair
	for in := bufio.NewScanner(f); len(pairs) < rows && in.Scan(); {
		var row struct{ Context, Continuation string }
		if err := json.Unmarshal(in.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, lm.Pair{Context: m.Tokenizer.Encode(row.Context), Target: m.Tokenizer.Encode(" " + row.Continuation)})
	}
	got, err := lm.Score(be, m.Shape, weights, pairs)
	if err != nil {
		t.Fatal(err)
	}
	greedy := 0
	for _, c := range got {
		if c.Greedy() {
			greedy++
		}
	}
	if len(pairs) != rows || greedy != want {
		t.Errorf("%d of %d greedy, want %d of %d", greedy, len(pairs), want, rows)
	}
}
