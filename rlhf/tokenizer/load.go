package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Load reads dir/tokenizer.json where it holds a byte-pair encoding; see [Open].
func Load(dir string) (*BPE, error) {
	tk, err := loadJSON(dir)
	if err != nil {
		return nil, err
	}
	b, ok := tk.(*BPE)
	if !ok {
		return nil, fmt.Errorf("tokenizer: %s: model.type = Unigram, want BPE; read it with Open", filepath.Join(dir, FileName))
	}
	return b, nil
}

// Open reads the tokenizer of a folder: tokenizer.json; else SentencePiece's
// tokenizer.model; else vocab.json with merges.txt or encoder.json with
// vocab.bpe, as GPT-2 has them. tokenizer_config.json and
// special_tokens_map.json beside them say which special token ends a text and
// whether one starts it.
//
// A tokenizer.json that asks for anything else than the families named in the
// package's documentation do is an error that names it, for its ids would differ.
func Open(dir string) (Tokenizer, error) {
	for _, f := range []struct {
		name string
		load func() (Tokenizer, error)
	}{
		{FileName, func() (Tokenizer, error) { return loadJSON(dir) }},
		{sentencePieceFile, func() (Tokenizer, error) { return LoadSentencePiece(filepath.Join(dir, sentencePieceFile)) }},
		{"vocab.json", func() (Tokenizer, error) { return LoadGPT2(dir) }},
		{"encoder.json", func() (Tokenizer, error) { return LoadGPT2(dir) }},
	} {
		if _, err := os.Stat(filepath.Join(dir, f.name)); err == nil {
			return f.load()
		}
	}
	return nil, fmt.Errorf("tokenizer: %s has none of %s, %s, vocab.json, encoder.json: %w", dir, FileName, sentencePieceFile, os.ErrNotExist)
}

func loadJSON(dir string) (Tokenizer, error) {
	path := filepath.Join(dir, FileName)
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	r, err := readRoles(dir)
	if err != nil {
		return nil, err
	}
	tk, err := parse(data, r)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return tk, nil
}

// readFile reads a file of a bounded size.
func readFile(path string) ([]byte, error) {
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
	return data, nil
}

// maxDepth is how deep objects and lists may lie in one another; published files have 7. A
// stage reads itself, and with it all that lies in it, once more at every level.
const maxDepth = 32

// maxPiece is the longest spelling of a token in bytes; published ones have up to some
// hundred. Finding all that merge into one takes the square of its length.
const maxPiece = 1024

// checkDepth refuses JSON that is nested deeper than maxDepth.
func checkDepth(data []byte) error {
	depth, text := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("line %d: more than %d levels of objects and lists in one another", 1+bytes.Count(data[:i], []byte("\n")), maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// unmarshal is json.Unmarshal with the line of a syntax error, for files from anyone.
func unmarshal(data []byte, to any) error {
	if err := checkDepth(data); err != nil {
		return err
	}
	err := json.Unmarshal(data, to)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:syntax.Offset], []byte("\n")), err)
	}
	return err
}

func parse(data []byte, r roles) (Tokenizer, error) {
	var f hfFile
	if err := unmarshal(data, &f); err != nil {
		return nil, err
	}
	if err := f.Model.supported(); err != nil {
		return nil, err
	}
	names, err := f.starts()
	if err != nil {
		return nil, err
	}
	if r.starts == nil || len(names) > 0 {
		r.starts = names
	}
	if f.Model.Type == "Unigram" {
		return f.unigram(r)
	}
	return f.bpe(r)
}

// bpe completes a BPE.
func (f *hfFile) bpe(r roles) (*BPE, error) {
	b := new(BPE)
	if err := f.pipeline(&b.vocabulary); err != nil {
		return nil, err
	}
	if err := f.table(&b.vocabulary, f.Model.table); err != nil {
		return nil, err
	}
	if err := b.assign(r); err != nil {
		return nil, err
	}
	if err := b.initials("model.vocab"); err != nil {
		return nil, err
	}
	merges, made, err := b.resolve(f.Model.Merges, f.Model.table, "model.merges", "model.vocab")
	if err != nil {
		return nil, err
	}
	if f.Model.IgnoreMerges {
		b.whole = wholes(b)
	}
	return b.seal(merges, made), nil
}

// wholes returns the tokens by their bytes.
func wholes(b *BPE) map[string]int32 {
	whole := make(map[string]int32, len(b.pieces))
	for id, piece := range b.pieces {
		if !b.special[id] && !b.isAdded(int32(id)) {
			whole[piece] = int32(id)
		}
	}
	return whole
}

// initials finds the tokens that a piece starts as.
func (b *BPE) initials(field string) error {
	for i := range b.bytes {
		b.bytes[i] = -1
	}
	if b.spells() {
		b.chars = make(map[string]int32)
	}
	for id, piece := range b.pieces {
		switch {
		case b.special[id] || b.isAdded(int32(id)):
		case !b.spells():
			if len(piece) == 1 {
				b.bytes[piece[0]] = int32(id)
			}
		case b.byteToken[id]:
			b.bytes[piece[0]] = int32(id)
		case utf8.RuneCountInString(b.spelling[id]) == 1:
			b.chars[b.spelling[id]] = int32(id)
		}
	}
	for c, id := range b.bytes {
		switch {
		case id >= 0:
		case b.spells():
			return fmt.Errorf("%s: no token <0x%02X>: without all of the 256 bytes some text has no encoding", field, c)
		case ' ' <= c && c <= '~' || c == '\n':
			return fmt.Errorf("%s: no piece for the byte %#02x (%q)", field, c, byteRunes[c])
		}
		b.lossy = b.lossy || id < 0
	}
	b.lossy = b.lossy || b.nfc || b.spells()
	return nil
}

// table fills the vocabulary with the model's pieces and the added tokens.
func (f *hfFile) table(v *vocabulary, model map[string]int32) error {
	type entry struct {
		piece string
		added *hfAdded
		taken bool
	}
	entries := make([]entry, len(model)+len(f.AddedTokens)) // by id
	added := make(map[string]int32)
	put := func(id int32, e entry, field string) error {
		if int64(id) >= int64(len(entries)) || id < 0 {
			return fmt.Errorf("%s: the ids have a hole: %q = %d, but there are at most %d tokens", field, e.piece, id, len(entries))
		}
		if old := entries[id]; old.taken {
			return fmt.Errorf("%s: %q and %q share the id %d", field, min(old.piece, e.piece), max(old.piece, e.piece), id)
		}
		e.taken = true
		entries[id] = e
		return nil
	}
	for i := range f.AddedTokens {
		t := &f.AddedTokens[i]
		if err := t.supported(); err != nil {
			return err
		}
		if old, ok := added[t.Content]; ok {
			return fmt.Errorf("added_tokens: %q has two ids, %d and %d", t.Content, old, *t.ID)
		}
		if err := put(*t.ID, entry{piece: t.Content, added: t}, "added_tokens"); err != nil {
			return err
		}
		added[t.Content] = *t.ID
	}
	var errs []error
	for s, id := range model {
		other, ok := added[s]
		switch {
		case !ok:
			if err := put(id, entry{piece: s}, "model.vocab"); err != nil {
				errs = append(errs, err)
			}
		case other != id:
			errs = append(errs, fmt.Errorf("model.vocab: %q = %d, but %d in added_tokens", s, id, other))
		} // added tokens may stand in both tables
	}
	if len(errs) > 0 { // the map has no order; the report has
		return slices.MinFunc(errs, func(x, y error) int { return cmp.Compare(x.Error(), y.Error()) })
	}
	for i, e := range entries {
		switch {
		case !e.taken:
			if at := slices.IndexFunc(entries[i:], func(e entry) bool { return e.taken }); at >= 0 {
				return fmt.Errorf("model.vocab: the ids have a hole: %d, then %q = %d", i-1, entries[i+at].piece, i+at)
			}
			return nil
		case e.added != nil:
			v.add(addedToken{content: e.piece, special: e.added.Special, lstrip: e.added.LStrip,
				rstrip: e.added.RStrip, normalized: e.added.Normalized})
		default:
			if err := v.push(e.piece); err != nil {
				return fmt.Errorf("model.vocab: %w", err)
			}
		}
	}
	return nil
}

// push appends an ordinary token in the file's spelling.
func (v *vocabulary) push(s string) error {
	if len(s) > maxPiece {
		return fmt.Errorf("token %d has %d bytes, want at most %d", len(v.pieces), len(s), maxPiece)
	}
	if s == "" {
		return fmt.Errorf("id %d is an empty piece", len(v.pieces))
	}
	v.special = append(v.special, false)
	if !v.spells() {
		piece, err := fromAlphabet(s)
		if err != nil {
			return err
		}
		v.pieces = append(v.pieces, piece)
		return nil
	}
	c, isByte := byteName(s)
	if isByte {
		v.pieces = append(v.pieces, string([]byte{c}))
	} else {
		v.pieces = append(v.pieces, strings.ReplaceAll(s, underline, " "))
	}
	v.spelling = append(v.spelling, s)
	v.byteToken = append(v.byteToken, isByte)
	return nil
}

// add appends an added token, whose id is the next.
func (v *vocabulary) add(t addedToken) {
	t.id = int32(len(v.pieces))
	v.pieces = append(v.pieces, t.content)
	v.special = append(v.special, t.special)
	v.added = append(v.added, t)
	if v.spells() {
		v.spelling = append(v.spelling, t.content)
		v.byteToken = append(v.byteToken, false)
		if !t.special {
			v.pieces[t.id] = strings.ReplaceAll(t.content, underline, " ")
		}
	}
}

// byteName reads SentencePiece's name of a byte, such as <0x0A>.
func byteName(s string) (byte, bool) {
	if len(s) != 6 || !strings.HasPrefix(s, "<0x") || s[5] != '>' {
		return 0, false
	}
	var b byte
	for _, c := range []byte(s[3:5]) {
		i := strings.IndexByte("0123456789ABCDEF", c)
		if i < 0 {
			return 0, false
		}
		b = b<<4 | byte(i)
	}
	return b, true
}

// resolve turns merge rules into pairs and the tokens that they make; ids is the
// model's vocabulary, in the file's spelling as the rules are.
func (b *BPE) resolve(rules []mergeRule, ids map[string]int32, field, vocab string) (merges []pair, made []int32, err error) {
	seen := make(map[pair]int, len(rules))
	merges, made = make([]pair, 0, len(rules)), make([]int32, 0, len(rules))
	for i, rule := range rules {
		fail := func(why string) error {
			return fmt.Errorf("%s[%d] = %q: %s", field, i, rule[0]+" "+rule[1], why)
		}
		var side [2]int32
		for j, part := range rule {
			id, ok := ids[part]
			if !ok {
				return nil, nil, fail(fmt.Sprintf("%q is not in %s", part, vocab))
			}
			side[j] = id
		}
		id, ok := ids[rule[0]+rule[1]]
		if !ok {
			return nil, nil, fail("the merged piece is not in " + vocab)
		}
		if b.special[id] {
			return nil, nil, fail("it makes a special token")
		}
		p := pairOf(side[0], side[1])
		if first, ok := seen[p]; ok {
			return nil, nil, fail(fmt.Sprintf("the same as %s[%d]", field, first))
		}
		seen[p] = i
		merges, made = append(merges, p), append(made, id)
	}
	return merges, made, nil
}
