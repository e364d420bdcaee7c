package tokenizer_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hhrlhf/rlhf/tokenizer"
)

// An id in a GGUF file may be any number, not a number for one.
func TestGGUFIds(t *testing.T) {
	for _, id := range []any{float32(math.NaN()), math.NaN(), math.Inf(1), 1e300, -1, uint64(math.MaxUint64), int64(math.MinInt64), 1, true, "x", []int{1}, nil} {
		kv := map[string]any{"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": []string{"<unk>"}, "tokenizer.ggml.token_type": []int32{2},
			"tokenizer.ggml.scores": []float32{0}, "tokenizer.ggml.bos_token_id": id}
		if _, err := tokenizer.FromGGUF(kv); err == nil || !strings.Contains(err.Error(), "bos_token_id") {
			t.Errorf("bos_token_id = %v: error %v", id, err)
		}
	}
}

// allocated returns the bytes that f allocates in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Each stage of a tokenizer.json keeps its text: nested, they kept the square of the file.
func TestNestedStages(t *testing.T) {
	dir := t.TempDir()
	const n = 4990 // encoding/json itself stops at 10000 levels
	nest := strings.Repeat(`{"type":"Sequence","normalizers":[`, n) + strings.Repeat("]}", n)
	text := `{"normalizer":` + nest + `,"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{},"merges":[]}}`
	if err := os.WriteFile(filepath.Join(dir, tokenizer.FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if n := allocated(func() { _, err = tokenizer.Open(dir) }); n > 16<<20 {
		t.Errorf("%d MB allocated for a file of %d kB", n>>20, len(text)>>10)
	}
	if err == nil || !strings.Contains(err.Error(), "levels of objects") {
		t.Errorf("error %.200v", err)
	}
	// Brackets within strings are text.
	text = `{"model":{"type":"BPE","vocab":{"` + strings.Repeat("[", 100) + `\"{": 1},"merges":[]}}`
	if err := os.WriteFile(filepath.Join(dir, tokenizer.FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tokenizer.Open(dir); err == nil || strings.Contains(err.Error(), "levels") {
		t.Errorf("brackets in a string: error %.200v", err)
	}
}

// The merges of a piece are as many as the square of its length.
func TestLongPiece(t *testing.T) {
	file := binary.LittleEndian.AppendUint32(nil, 4)
	add := func(s string) {
		file = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(file, 0), uint32(len(s)))
		file = append(file, s...)
	}
	for _, s := range []string{"<unk>", "<s>", "</s>"} {
		add(s)
	}
	for i := range 256 {
		add(fmt.Sprintf("<0x%02X>", i))
	}
	add(strings.Repeat("a", 1<<20))
	path := filepath.Join(t.TempDir(), "tok260.bin")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tokenizer.LoadLlama2c(path, 260); err == nil || !strings.Contains(err.Error(), "token 259 has 1048576 bytes, want at most 1024") {
		t.Errorf("error %v", err)
	}
}
