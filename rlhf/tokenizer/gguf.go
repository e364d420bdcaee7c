package tokenizer

import (
	"fmt"
	"reflect"
	"strings"
)

// FromGGUF makes the tokenizer that a GGUF file's metadata describe
// (ggml-org/ggml, docs/gguf.md): kv holds its keys, of which those beginning
// with "tokenizer." are read. The model is "gpt2", a byte-level encoding whose
// pre-tokenizer "tokenizer.ggml.pre" names, or "llama", SentencePiece's. Arrays
// may be of any slice type whose elements are strings or numbers.
func FromGGUF(kv map[string]any) (Tokenizer, error) {
	g := ggufKV(kv)
	tk, err := g.tokenizer()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: gguf: %w", err)
	}
	return tk, nil
}

func (g ggufKV) tokenizer() (Tokenizer, error) {
	model, err := g.text("tokenizer.ggml.model")
	if err != nil {
		return nil, err
	}
	switch model {
	case "gpt2":
		return g.bytes()
	case "llama":
		return g.llama()
	}
	return nil, fmt.Errorf("tokenizer.ggml.model = %q, want gpt2 or llama", model)
}

// ggufCuts are the names that llama.cpp gives to the pre-tokenizers that we have
// (ggml-org/llama.cpp, src/llama-vocab.cpp).
var ggufCuts = map[string]cut{
	"gpt-2": cutGPT2, "gpt2": cutGPT2, "olmo": cutGPT2, "mpt": cutGPT2,
	"llama-bpe": cutLlama3, "llama3": cutLlama3, "llama-v3": cutLlama3,
	"qwen2": cutQwen2, "smollm": cutDigits, "starcoder": cutDigits, "refact": cutDigits, "command-r": cutDigits,
}

// bytes makes a byte-level encoding.
func (g ggufKV) bytes() (*BPE, error) {
	tokens, kinds, err := g.tokens()
	if err != nil {
		return nil, err
	}
	pre, err := g.text("tokenizer.ggml.pre")
	if arch, _ := g["general.architecture"].(string); err != nil && (arch == "gpt2" || arch == "gptneox") {
		pre, err = "gpt-2", nil // from before the key was
	}
	if err != nil {
		return nil, err
	}
	b := new(BPE)
	var ok bool
	if b.cut, ok = ggufCuts[pre]; !ok {
		return nil, fmt.Errorf("tokenizer.ggml.pre = %q, which has no scan here", pre)
	}
	ids := make(map[string]int32, len(tokens))
	b.nfc = b.cut == cutQwen2 // llama.cpp leaves it out; the model was trained with it
	for id, s := range tokens {
		switch kinds[id] {
		case spNormal:
			ids[s] = int32(id)
			err = b.push(s)
		case spUser:
			b.add(addedToken{content: s})
		default:
			b.add(addedToken{content: s, special: true})
		}
		if err == nil && s == "" {
			err = fmt.Errorf("id %d is empty", id)
		}
		if err != nil {
			return nil, fmt.Errorf("tokenizer.ggml.tokens: %w", err)
		}
	}
	r, err := g.roles(tokens, b.cut == cutLlama3)
	if err != nil {
		return nil, err
	}
	if err := b.assign(r); err != nil {
		return nil, err
	}
	if err := b.initials("tokenizer.ggml.tokens"); err != nil {
		return nil, err
	}
	lines, err := strs(g["tokenizer.ggml.merges"])
	if err != nil {
		return nil, fmt.Errorf("tokenizer.ggml.merges %w", err)
	}
	rules := make([]mergeRule, len(lines))
	for i, line := range lines {
		left, right, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("tokenizer.ggml.merges[%d] = %q: want two pieces", i, line)
		}
		rules[i] = mergeRule{left, right}
	}
	merges, made, err := b.resolve(rules, ids, "tokenizer.ggml.merges", "tokenizer.ggml.tokens")
	if err != nil {
		return nil, err
	}
	if b.cut == cutLlama3 {
		b.whole = wholes(b)
	}
	return b.seal(merges, made), nil
}

// llama makes an encoding of SentencePiece's kind.
func (g ggufKV) llama() (*BPE, error) {
	tokens, kinds, err := g.tokens()
	if err != nil {
		return nil, err
	}
	r, err := g.roles(tokens, true)
	if err != nil {
		return nil, err
	}
	p := spModel{pieces: tokens, kinds: kinds, bos: -1, eos: -1, unk: -1, prefix: eachPart}
	if add, ok := g["tokenizer.ggml.add_space_prefix"].(bool); ok && !add {
		p.prefix = noPrefix
	}
	scores, err := numbers(g["tokenizer.ggml.scores"])
	if err != nil || len(scores) != len(tokens) {
		return nil, fmt.Errorf("tokenizer.ggml.scores: %d numbers for %d tokens (%w)", len(scores), len(tokens), err)
	}
	for _, s := range scores {
		p.scores = append(p.scores, float32(s))
	}
	return p.bpe(r)
}

// ggufKV is the metadata of a file.
type ggufKV map[string]any

func (g ggufKV) text(key string) (string, error) {
	s, ok := g[key].(string)
	if !ok {
		return "", fmt.Errorf("%s is missing, want a string", key)
	}
	return s, nil
}

// tokens returns the vocabulary and the kind of each token.
func (g ggufKV) tokens() ([]string, []spKind, error) {
	tokens, err := strs(g["tokenizer.ggml.tokens"])
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer.ggml.tokens %w", err)
	}
	kinds := make([]spKind, len(tokens))
	types, err := numbers(g["tokenizer.ggml.token_type"])
	if err != nil || len(types) != len(tokens) {
		return nil, nil, fmt.Errorf("tokenizer.ggml.token_type: %d numbers for %d tokens (%w)", len(types), len(tokens), err)
	}
	for id, k := range types {
		if kinds[id] = spKind(k); kinds[id] < spNormal || kinds[id] > spByte {
			return nil, nil, fmt.Errorf("tokenizer.ggml.token_type[%d] = %v, want 1 to 6", id, k)
		}
	}
	// A vocabulary is filled up to the model's size with names that may repeat.
	return tokens, kinds, nil
}

// roles reads which token has which part; addBOS is the model's habit where the
// file does not say.
func (g ggufKV) roles(tokens []string, addBOS bool) (r roles, err error) {
	for _, p := range []struct {
		key string
		to  *string
	}{{"bos", &r.bos}, {"eos", &r.eos}, {"unknown", &r.unk}} {
		key := "tokenizer.ggml." + p.key + "_token_id"
		value, ok := g[key]
		if !ok {
			continue
		}
		id, err := numbers([]any{value})
		if err != nil || !(id[0] >= 0 && id[0] < float64(len(tokens))) { // not a number is neither
			return r, fmt.Errorf("%s = %v of %d tokens", key, value, len(tokens))
		}
		*p.to = tokens[int(id[0])]
	}
	if add, ok := g["tokenizer.ggml.add_bos_token"].(bool); ok {
		addBOS = add
	}
	if addBOS && r.bos != "" {
		r.starts = []string{r.bos}
	}
	if add, _ := g["tokenizer.ggml.add_eos_token"].(bool); add {
		return r, fmt.Errorf("tokenizer.ggml.add_eos_token = true, want false: the end token is the caller's to place")
	}
	r.template, _ = g["tokenizer.chat_template"].(string)
	return r, nil
}

// strs reads an array of strings.
func strs(v any) ([]string, error) {
	if s, ok := v.([]string); ok {
		return s, nil
	}
	list := reflect.ValueOf(v)
	if !list.IsValid() || list.Kind() != reflect.Slice {
		return nil, fmt.Errorf("is missing, want an array of strings")
	}
	out := make([]string, list.Len())
	for i := range out {
		s, ok := list.Index(i).Interface().(string)
		if !ok {
			return nil, fmt.Errorf("[%d] = %v, want a string", i, list.Index(i))
		}
		out[i] = s
	}
	return out, nil
}

// numbers reads an array of numbers of any type.
func numbers(v any) ([]float64, error) {
	list := reflect.ValueOf(v)
	if !list.IsValid() || list.Kind() != reflect.Slice {
		return nil, fmt.Errorf("is missing, want an array of numbers")
	}
	out := make([]float64, list.Len())
	to := reflect.TypeFor[float64]()
	for i := range out {
		e := list.Index(i)
		if e.Kind() == reflect.Interface {
			e = e.Elem()
		}
		if !e.IsValid() || e.Kind() == reflect.String || !e.CanConvert(to) {
			return nil, fmt.Errorf("[%d] = %v, want a number", i, e)
		}
		out[i] = e.Convert(to).Float()
	}
	return out, nil
}
