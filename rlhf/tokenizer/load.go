package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hfFile is the part of tokenizer.json that decides what Encode returns.
type hfFile struct {
	AddedTokens []struct {
		ID      *int32 `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	} `json:"added_tokens"`
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer *struct {
		Type           string `json:"type"`
		AddPrefixSpace bool   `json:"add_prefix_space"`
		UseRegex       *bool  `json:"use_regex"` // absent in old files, where it is true
	} `json:"pre_tokenizer"`
	Decoder *struct {
		Type string `json:"type"`
	} `json:"decoder"`
	Model *struct {
		Type         string            `json:"type"`
		Dropout      *float64          `json:"dropout"`
		Prefix       string            `json:"continuing_subword_prefix"`
		Suffix       string            `json:"end_of_word_suffix"`
		ByteFallback bool              `json:"byte_fallback"`
		IgnoreMerges bool              `json:"ignore_merges"`
		Vocab        map[string]int32  `json:"vocab"`
		Merges       []json.RawMessage `json:"merges"` // "a b" or ["a", "b"]
	} `json:"model"`
}

// Load reads dir/tokenizer.json: a byte-level BPE with GPT-2's pre-tokenisation
// and the three special tokens of this package among its added tokens, as
// [BPE.Save] writes it. The error names the file and what in it is at fault.
func Load(dir string) (*BPE, error) {
	path := filepath.Join(dir, FileName)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("tokenizer: %s: %d bytes, want at most %d", path, info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	b, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return b, nil
}

func parse(data []byte) (*BPE, error) {
	var f hfFile
	if err := json.Unmarshal(data, &f); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(data[:syntax.Offset], []byte("\n")), err)
		}
		return nil, err
	}
	if err := f.supported(); err != nil {
		return nil, err
	}
	b, err := f.vocabulary()
	if err != nil {
		return nil, err
	}
	merges, made, err := f.merges(b)
	if err != nil {
		return nil, err
	}
	return b.seal(merges, made), nil
}

// supported refuses files whose tokenizer would give other ids than ours.
func (f *hfFile) supported() error {
	var errs []error
	want := func(ok bool, field string, got, want any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s = %v, want %v", field, got, want))
		}
	}
	want(len(f.Normalizer) == 0 || string(f.Normalizer) == "null", "normalizer", string(f.Normalizer), "null")
	if f.PreTokenizer == nil {
		want(false, "pre_tokenizer", "null", "ByteLevel")
	} else {
		want(f.PreTokenizer.Type == "ByteLevel", "pre_tokenizer.type", f.PreTokenizer.Type, "ByteLevel")
		want(!f.PreTokenizer.AddPrefixSpace, "pre_tokenizer.add_prefix_space", true, false)
		want(f.PreTokenizer.UseRegex == nil || *f.PreTokenizer.UseRegex, "pre_tokenizer.use_regex", false, true)
	}
	want(f.Decoder == nil || f.Decoder.Type == "ByteLevel", "decoder", f.Decoder, "ByteLevel")
	if f.Model == nil {
		want(false, "model", "null", "a BPE")
		return errors.Join(errs...)
	}
	m := f.Model
	want(m.Type == "BPE", "model.type", m.Type, "BPE")
	want(m.Dropout == nil || *m.Dropout == 0, "model.dropout", m.Dropout, "null")
	want(m.Prefix == "", "model.continuing_subword_prefix", m.Prefix, "none")
	want(m.Suffix == "", "model.end_of_word_suffix", m.Suffix, "none")
	want(!m.ByteFallback, "model.byte_fallback", true, false)
	want(!m.IgnoreMerges, "model.ignore_merges", true, false)
	return errors.Join(errs...)
}

// vocabulary makes a BPE, still without merges, of the pieces and added tokens.
func (f *hfFile) vocabulary() (*BPE, error) {
	type entry struct {
		id      int32
		piece   string
		special bool
	}
	byID := make(map[int32]entry)
	added := make(map[string]int32)
	for _, t := range f.AddedTokens {
		switch {
		case t.ID == nil:
			return nil, fmt.Errorf("added_tokens: %q has no id", t.Content)
		case !t.Special:
			return nil, fmt.Errorf("added_tokens: %q is not special; only special added tokens are supported", t.Content)
		}
		if old, ok := byID[*t.ID]; ok {
			return nil, fmt.Errorf("added_tokens: %q and %q share the id %d", old.piece, t.Content, *t.ID)
		}
		if old, ok := added[t.Content]; ok {
			return nil, fmt.Errorf("added_tokens: %q has two ids, %d and %d", t.Content, old, *t.ID)
		}
		byID[*t.ID], added[t.Content] = entry{*t.ID, t.Content, true}, *t.ID
	}
	for _, s := range slices.Sorted(maps.Keys(f.Model.Vocab)) {
		id := f.Model.Vocab[s]
		if special, ok := added[s]; ok && special != id {
			return nil, fmt.Errorf("model.vocab: %q = %d, but %d in added_tokens", s, id, special)
		}
		if e, ok := byID[id]; ok {
			if e.special && e.piece == s {
				continue // special tokens may stand in both tables
			}
			return nil, fmt.Errorf("model.vocab: %q and %q share the id %d", e.piece, s, id)
		}
		piece, err := fromAlphabet(s)
		if err != nil {
			return nil, fmt.Errorf("model.vocab: %w", err)
		}
		byID[id] = entry{id, piece, false}
	}
	entries := slices.SortedFunc(maps.Values(byID), func(x, y entry) int { return cmp.Compare(x.id, y.id) })

	b := new(BPE)
	for i := range b.bytes {
		b.bytes[i] = -1
	}
	for i, e := range entries {
		if int(e.id) != i {
			return nil, fmt.Errorf("model.vocab: the ids have a hole: %d, then %q = %d", i-1, e.piece, e.id)
		}
		b.pieces = append(b.pieces, e.piece)
		b.special = append(b.special, e.special)
		switch {
		case e.special:
		case len(e.piece) == 1:
			b.bytes[e.piece[0]] = e.id
		case e.piece == "":
			return nil, fmt.Errorf("model.vocab: id %d is an empty piece", e.id)
		}
	}
	for _, s := range []struct {
		name string
		id   *int32
	}{{PadToken, &b.pad}, {EOSToken, &b.eos}, {EOCToken, &b.eoc}} {
		id, ok := added[s.name]
		if !ok {
			return nil, fmt.Errorf("added_tokens: no %q; add it as a special token with an id of its own", s.name)
		}
		*s.id = id
	}
	for c, id := range b.bytes {
		if id < 0 {
			return nil, fmt.Errorf("model.vocab: no piece for the byte %#02x (%q)", c, byteRunes[c])
		}
	}
	return b, nil
}

// merges resolves the merge rules against the vocabulary.
func (f *hfFile) merges(b *BPE) (merges []pair, made []int32, err error) {
	ids := make(map[string]int32, len(b.pieces))
	for id, piece := range b.pieces {
		if !b.special[id] {
			ids[piece] = int32(id)
		}
	}
	seen := make(map[pair]int, len(f.Model.Merges))
	for i, raw := range f.Model.Merges {
		fail := func(why string) error { return fmt.Errorf("model.merges[%d] = %s: %s", i, raw, why) }
		var parts []string
		var joined string
		if json.Unmarshal(raw, &joined) == nil {
			parts = strings.Split(joined, " ")
		} else if json.Unmarshal(raw, &parts) != nil {
			return nil, nil, fail("want two pieces")
		}
		if len(parts) != 2 {
			return nil, nil, fail("want two pieces")
		}
		var side [2]int32
		var whole string
		for j, part := range parts {
			piece, err := fromAlphabet(part)
			if err != nil {
				return nil, nil, fail(err.Error())
			}
			id, ok := ids[piece]
			if !ok {
				return nil, nil, fail(fmt.Sprintf("%q is not in model.vocab", part))
			}
			side[j] = id
			whole += piece
		}
		id, ok := ids[whole]
		if !ok {
			return nil, nil, fail("the merged piece is not in model.vocab")
		}
		p := pairOf(side[0], side[1])
		if first, ok := seen[p]; ok {
			return nil, nil, fail(fmt.Sprintf("the same as model.merges[%d]", first))
		}
		seen[p] = i
		merges, made = append(merges, p), append(made, id)
	}
	return merges, made, nil
}
