package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// hfFile is the part of tokenizer.json that decides what Encode returns.
type hfFile struct {
	AddedTokens   []hfAdded       `json:"added_tokens"`
	Normalizer    *hfStage        `json:"normalizer"`
	PreTokenizer  *hfStage        `json:"pre_tokenizer"`
	PostProcessor *hfStage        `json:"post_processor"`
	Model         *hfModel        `json:"model"`
	Truncation    json.RawMessage `json:"truncation"`
}

type hfAdded struct {
	ID         *int32 `json:"id"`
	Content    string `json:"content"`
	Special    bool   `json:"special"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
}

// hfStage is any normalizer, pre-tokenizer or post-processor: the union of the
// fields of those that we know.
type hfStage struct {
	Type           string     `json:"type"`
	Normalizers    []*hfStage `json:"normalizers"`
	Pretokenizers  []*hfStage `json:"pretokenizers"`
	Processors     []*hfStage `json:"processors"`
	AddPrefixSpace bool       `json:"add_prefix_space"`
	UseRegex       *bool      `json:"use_regex"` // absent in old files, where it is true
	Individual     bool       `json:"individual_digits"`
	Pattern        struct{ Regex, String string }
	Behavior       string          `json:"behavior"`
	Invert         bool            `json:"invert"`
	Prepend        string          `json:"prepend"`
	Content        string          `json:"content"`
	Replacement    string          `json:"replacement"`
	PrependScheme  string          `json:"prepend_scheme"`
	Split          *bool           `json:"split"`
	Single         []templatePart  `json:"single"`
	Raw            json.RawMessage `json:"-"`
}

type templatePart struct {
	SpecialToken *struct{ ID string }
	Sequence     *struct{ ID string }
}

// UnmarshalJSON keeps the text, which errors quote.
func (s *hfStage) UnmarshalJSON(data []byte) error {
	type plain hfStage
	if err := json.Unmarshal(data, (*plain)(s)); err != nil {
		return err
	}
	s.Raw = slices.Clone(data)
	return nil
}

// String is the stage as the file has it, cut where it is long.
func (s *hfStage) String() string {
	if s == nil {
		return "null"
	}
	text := strings.Join(strings.Fields(string(s.Raw)), " ")
	if len(text) > 300 {
		text = text[:300] + "..."
	}
	return text
}

type hfModel struct {
	Type         string          `json:"type"`
	Dropout      *float64        `json:"dropout"`
	Prefix       string          `json:"continuing_subword_prefix"`
	Suffix       string          `json:"end_of_word_suffix"`
	UnkToken     string          `json:"unk_token"`
	UnkID        *int32          `json:"unk_id"`
	ByteFallback bool            `json:"byte_fallback"`
	IgnoreMerges bool            `json:"ignore_merges"`
	Vocab        json.RawMessage `json:"vocab"`
	Merges       []mergeRule     `json:"merges"`

	table  map[string]int32 // of a BPE
	pieces []scored         // of a unigram model
}

// A mergeRule is the two pieces that a rule joins: "a b" in a file, or ["a", "b"].
type mergeRule [2]string

// UnmarshalJSON reads both spellings.
func (r *mergeRule) UnmarshalJSON(data []byte) error {
	var parts []string
	if data[0] == '"' {
		joined := string(data[1 : len(data)-1])
		if strings.Contains(joined, `\`) {
			if err := json.Unmarshal(data, &joined); err != nil {
				return err
			}
		}
		parts = strings.Split(joined, " ")
	} else if json.Unmarshal(data, &parts) != nil {
		parts = nil
	}
	if len(parts) != 2 {
		return fmt.Errorf("model.merges: %.100s: want two pieces", data)
	}
	*r = mergeRule(parts)
	return nil
}

// scored is one entry of a unigram model's vocabulary.
type scored struct {
	piece string
	score float64
}

// UnmarshalJSON reads ["piece", score].
func (s *scored) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&s.piece, &s.score})
}

func (t *hfAdded) supported() error {
	switch {
	case t.ID == nil:
		return fmt.Errorf("added_tokens: %q has no id", t.Content)
	case t.Content == "":
		return fmt.Errorf("added_tokens: id %d has no content", *t.ID)
	case t.SingleWord:
		return fmt.Errorf("added_tokens: %q: single_word = true, want false", t.Content)
	case !t.Special && (t.LStrip || t.RStrip):
		return fmt.Errorf("added_tokens: %q: lstrip or rstrip = true, want false in a token that is not special: white space would be lost", t.Content)
	}
	return nil
}

// pipeline recognises the normalizer and pre-tokenizer of the families that we
// know, and makes v work like them. Everything else is an error: the ids would
// differ.
func (f *hfFile) pipeline(v *vocabulary) (err error) {
	v.bos, v.unk = -1, -1
	if f.Model.Type == "Unigram" || f.Model.ByteFallback {
		v.spelling, v.byteToken = []string{}, []bool{}
		return f.spaces(v)
	}
	if v.cut, err = f.PreTokenizer.cut(); err != nil {
		return err
	}
	if n := f.Normalizer; n != nil && n.Type != "NFC" {
		return fmt.Errorf("normalizer = %s, want null or NFC", n)
	}
	v.nfc = f.Normalizer != nil
	return nil
}

// supported refuses models that work otherwise than ours, and reads the vocabulary.
func (m *hfModel) supported() error {
	if m == nil {
		return errors.New("model = null, want a BPE or a Unigram")
	}
	var errs []error
	want := func(ok bool, field string, got, want any) {
		if !ok {
			errs = append(errs, fmt.Errorf("model.%s = %v, want %v", field, got, want))
		}
	}
	want(m.Type == "BPE" || m.Type == "Unigram", "type", m.Type, "BPE or Unigram")
	want(m.Dropout == nil || *m.Dropout == 0, "dropout", m.Dropout, "null")
	want(m.Prefix == "", "continuing_subword_prefix", m.Prefix, "none")
	want(m.Suffix == "", "end_of_word_suffix", m.Suffix, "none")
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	to := any(&m.table)
	if m.Type == "Unigram" {
		to = &m.pieces
	}
	if len(m.Vocab) == 0 {
		return errors.New("model.vocab is missing")
	}
	if err := json.Unmarshal(m.Vocab, to); err != nil {
		return fmt.Errorf("model.vocab: %w", err)
	}
	m.Vocab = nil
	return nil
}

// cut recognises the pre-tokenizers of byte-level models.
func (s *hfStage) cut() (cut, error) {
	if s == nil {
		return 0, errors.New("pre_tokenizer = null, want ByteLevel")
	}
	refuse := fmt.Errorf("pre_tokenizer = %s, want that of GPT-2, Pythia, SmolLM2, Llama 3 or Qwen 2", s)
	byteLevel := func(s *hfStage, regex bool) bool {
		return s != nil && s.Type == "ByteLevel" && !s.AddPrefixSpace && (s.UseRegex == nil || *s.UseRegex) == regex
	}
	if byteLevel(s, true) {
		return cutGPT2, nil
	}
	if s.Type != "Sequence" || len(s.Pretokenizers) != 2 || s.Pretokenizers[0] == nil {
		return 0, refuse
	}
	first, second := s.Pretokenizers[0], s.Pretokenizers[1]
	switch {
	case first.Type == "Digits" && first.Individual && byteLevel(second, true):
		return cutDigits, nil
	case first.Type == "Split" && !first.Invert && byteLevel(second, false):
		if first.Behavior != "Isolated" {
			return 0, refuse
		}
		if c, ok := expressions[first.Pattern.Regex]; ok {
			return c, nil
		}
		return 0, fmt.Errorf("pre_tokenizer cuts by the expression %q, which has no scan here", first.Pattern.Regex)
	}
	return 0, refuse
}

// spaces recognises how models of SentencePiece's kind spell the space: by the
// normalizers Prepend and Replace, or by the pre-tokenizer Metaspace.
func (f *hfFile) spaces(v *vocabulary) error {
	v.cut = cutNot
	replace := func(s *hfStage) bool {
		return s != nil && s.Type == "Replace" && s.Pattern.String == " " && s.Content == underline
	}
	n, p := f.Normalizer, f.PreTokenizer
	var stages []*hfStage
	switch {
	case n == nil:
	case n.Type == "Sequence":
		stages = n.Normalizers
	default:
		stages = []*hfStage{n}
	}
	replaced := false
	switch {
	case len(stages) == 0:
	case len(stages) == 1 && replace(stages[0]):
		replaced = true
	case len(stages) == 2 && stages[0] != nil && stages[0].Type == "Prepend" && stages[0].Prepend == underline && replace(stages[1]):
		replaced, v.prefix = true, eachPart
	default:
		return fmt.Errorf("normalizer = %s, want Prepend %q and Replace \" \" by it, or null", n, underline)
	}
	switch {
	case p == nil && replaced:
		return nil
	case p == nil:
		return fmt.Errorf("normalizer and pre_tokenizer are null, want one that spells the space %q", underline)
	case p.Type != "Metaspace" || p.Replacement != underline || replaced:
		return fmt.Errorf("pre_tokenizer = %s, want null or a Metaspace of %q", p, underline)
	}
	if p.Split == nil || *p.Split {
		v.cut = cutSpaces
	}
	switch {
	case p.PrependScheme == "first":
		v.prefix = firstBare
	case p.PrependScheme == "always", p.PrependScheme == "" && p.AddPrefixSpace:
		v.prefix = eachBare
	}
	return nil
}

// starts returns the names of the tokens that the post-processor puts first.
func (f *hfFile) starts() ([]string, error) {
	p := f.PostProcessor
	if p == nil {
		return nil, nil
	}
	stages := []*hfStage{p}
	if p.Type == "Sequence" {
		stages = p.Processors
	}
	var names []string
	for _, s := range stages {
		switch {
		case s != nil && s.Type == "ByteLevel":
		case s != nil && s.Type == "TemplateProcessing":
			text := false
			for _, part := range s.Single {
				switch {
				case part.Sequence != nil:
					text = true
				case part.SpecialToken != nil && text:
					return nil, fmt.Errorf("post_processor puts %q after the text, want special tokens before it only", part.SpecialToken.ID)
				case part.SpecialToken != nil:
					names = append(names, part.SpecialToken.ID)
				}
			}
		default:
			return nil, fmt.Errorf("post_processor = %s, want null, ByteLevel or TemplateProcessing", s)
		}
	}
	return names, nil
}
