package distill

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"

	"hhrlhf/rlhf/internal/safetensors"
)

// Targets are texts and what a teacher said about their tokens. They are
// computed once; a run that goes on reads them from disk.
type Targets struct {
	Tokenizer string    // hash of the tokenizer that Texts' ids are of
	Key       string    // what they are the answer to, see [Teacher.Key]
	K         int       // tokens with a category of their own
	Start     []int32   // what stands before each text, see [Options]
	Texts     [][]int32 // X: the texts without the prompt

	ids  []int32   // [Tokens, K]
	logp []float32 // [Tokens, K+1], the rest last
	at   []int     // of text i, the row of its first token that counts
	wide int       // slots that hold any text
}

// firstCounted is the index of the first token of a text that counts.
func firstCounted(start []int32) int {
	if len(start) == 0 {
		return 1
	}
	return 0
}

func (t *Targets) first() int { return firstCounted(t.Start) }

// index computes at and wide.
func (t *Targets) index() {
	t.at, t.wide = make([]int, len(t.Texts)+1), 0
	for i, x := range t.Texts {
		t.at[i+1] = t.at[i] + len(x) - t.first()
		t.wide = max(t.wide, len(x))
	}
	t.wide = roundUp(t.wide)
}

// Tokens is the number of tokens that count.
func (t *Targets) Tokens() int { return len(t.logp) / (t.K + 1) }

// Bytes is the size of the teacher's words in memory and on disk: per token 4·K
// of ids and 4·(K+1) of log-probabilities, 404 at K = 50.
func (t *Targets) Bytes() int64 { return int64(t.Tokens()) * int64(8*t.K+4) }

// Said returns what the teacher said about token i (from 0) of a text: the ids of
// its K most probable tokens, and the log-probabilities of these and, last, of
// everything else. It is false for a token that does not count.
func (t *Targets) Said(text, i int) (ids []int32, logp []float32, ok bool) {
	if i -= t.first(); i < 0 || i >= t.at[text+1]-t.at[text] {
		return nil, nil, false
	}
	row := t.at[text] + i
	return t.ids[row*t.K:][:t.K], t.logp[row*(t.K+1):][:t.K+1], true
}

// Split cuts off the last held texts, to evaluate on. Both parts share memory
// with t.
func (t *Targets) Split(held int) (train, heldOut *Targets, err error) {
	n := len(t.Texts) - held
	if held < 1 || n < 1 {
		return nil, nil, fmt.Errorf("distill: %d of %d texts held out, want some and not all", held, len(t.Texts))
	}
	part := func(from, to int) *Targets {
		p := *t
		p.Texts = t.Texts[from:to]
		p.ids, p.logp = t.ids[t.at[from]*t.K:t.at[to]*t.K], t.logp[t.at[from]*(t.K+1):t.at[to]*(t.K+1)]
		p.index()
		return &p
	}
	return part(0, n), part(n, len(t.Texts)), nil
}

// about is what the file says besides the numbers.
type about struct {
	Tokenizer string  `json:"tokenizer"`
	Key       string  `json:"key"`
	K         int     `json:"k"`
	Start     []int32 `json:"start"`
	CRC32C    uint32  `json:"crc32c"` // of the other tensors' bytes, in their order
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Save writes the targets as a safetensors file of the tensors texts, lengths, ids,
// logp and about, which holds the rest as JSON with a checksum. The file appears
// whole or not at all.
func (t *Targets) Save(path string) (err error) {
	var texts, lengths []int32
	for _, x := range t.Texts {
		texts, lengths = append(texts, x...), append(lengths, int32(len(x)))
	}
	n := t.Tokens()
	list := []safetensors.Tensor{
		{Name: "texts", DType: "I32", Shape: []int{len(texts)}, Data: int32Bytes(texts)},
		{Name: "lengths", DType: "I32", Shape: []int{len(lengths)}, Data: int32Bytes(lengths)},
		{Name: "ids", DType: "I32", Shape: []int{n, t.K}, Data: int32Bytes(t.ids)},
		{Name: "logp", DType: "F32", Shape: []int{n, t.K + 1}, Data: float32Bytes(t.logp)},
	}
	note, err := json.Marshal(about{t.Tokenizer, t.Key, t.K, t.Start, checksum(list)})
	if err != nil {
		return fmt.Errorf("distill: %w", err)
	}
	list = append(list, safetensors.Tensor{Name: "about", DType: "U8", Shape: []int{len(note)}, Data: note})
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-")
	if err != nil {
		return fmt.Errorf("distill: saving targets: %w", err)
	}
	err = safetensors.Write(f, list)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("distill: saving %d bytes of targets to %s: %w", t.Bytes(), path, err)
	}
	return nil
}

// Load reads what Save wrote. A file that is damaged is an error.
func Load(path string) (*Targets, error) {
	t, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("distill: targets %s: %w; remove the file to ask the teacher again", path, err)
	}
	return t, nil
}

func load(path string) (*Targets, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list, err := safetensors.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	want := []string{"texts", "lengths", "ids", "logp", "about"}
	if !slices.EqualFunc(list, want, func(t safetensors.Tensor, name string) bool { return t.Name == name }) {
		return nil, fmt.Errorf("holds other tensors than %q", want)
	}
	var a about
	if err := json.Unmarshal(list[4].Data, &a); err != nil {
		return nil, fmt.Errorf("about: %w", err)
	}
	if sum := checksum(list[:4]); sum != a.CRC32C {
		return nil, fmt.Errorf("CRC-32C is %08x, want %08x: the file is damaged", sum, a.CRC32C)
	}
	t := &Targets{Tokenizer: a.Tokenizer, Key: a.Key, K: a.K, Start: a.Start, ids: toInt32(list[2].Data), logp: toFloat32(list[3].Data)}
	texts := toInt32(list[0].Data)
	for i, n := range toInt32(list[1].Data) {
		if int(n) < t.first() || int(n) > len(texts) {
			return nil, fmt.Errorf("text %d has %d tokens of the %d left", i, n, len(texts))
		}
		t.Texts, texts = append(t.Texts, texts[:n:n]), texts[n:]
	}
	t.index()
	if n := t.at[len(t.Texts)]; t.K < 1 || len(texts) > 0 || len(t.ids) != n*t.K || len(t.logp) != n*(t.K+1) {
		return nil, fmt.Errorf("%d ids and %d log-probabilities for %d tokens at K = %d", len(t.ids), len(t.logp), n, t.K)
	}
	return t, nil
}

func checksum(list []safetensors.Tensor) uint32 {
	sum := uint32(0)
	for _, t := range list {
		sum = crc32.Update(sum, castagnoli, t.Data)
	}
	return sum
}

func int32Bytes(v []int32) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, uint32(x))
	}
	return out
}

func float32Bytes(v []float32) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}

func toInt32(b []byte) []int32 {
	out := make([]int32, len(b)/4)
	for i := range out {
		out[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

func toFloat32(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}
