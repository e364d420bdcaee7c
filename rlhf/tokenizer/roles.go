package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// roles says which tokens have a part of their own, by name; "" where the files
// do not say.
type roles struct {
	bos, eos, unk string
	starts        []string // nil: not said; empty: none
	spare         int      // how many of the last ids have no weights
	template      string   // the chat template
}

// Names under which published vocabularies have our special tokens. The order is
// that of preference.
var (
	padNames = []string{PadToken, "<pad>", "[PAD]", "<|padding|>", "<|finetune_right_pad_id|>"}
	eocNames = []string{EOCToken}
	eosNames = []string{EOSToken, "</s>", "<|end_of_text|>", "<eos>"}
)

// hfConfig is the part of tokenizer_config.json and special_tokens_map.json that we read.
type hfConfig struct {
	BOS      tokenName       `json:"bos_token"`
	EOS      tokenName       `json:"eos_token"`
	Unk      tokenName       `json:"unk_token"`
	AddBOS   *bool           `json:"add_bos_token"`
	AddEOS   bool            `json:"add_eos_token"`
	Template json.RawMessage `json:"chat_template"`
	Spare    int             `json:"rlhf_spare"`
}

// tokenName is a token that stands as a string, or as an object with its content.
type tokenName string

func (n *tokenName) UnmarshalJSON(data []byte) error {
	var object struct{ Content string }
	if json.Unmarshal(data, &object) == nil && object.Content != "" {
		*n = tokenName(object.Content)
		return nil
	}
	return json.Unmarshal(data, (*string)(n))
}

const (
	configFile     = "tokenizer_config.json"
	specialMapFile = "special_tokens_map.json"
	templateFile   = "chat_template.jinja"
)

// readRoles reads what the files beside tokenizer.json say, if they are there.
func readRoles(dir string) (roles, error) {
	var c hfConfig
	for _, name := range []string{specialMapFile, configFile} { // the latter overrides
		path := filepath.Join(dir, name)
		data, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return roles{}, err
		}
		if err := unmarshal(data, &c); err != nil {
			return roles{}, fmt.Errorf("tokenizer: %s: %w", path, err)
		}
	}
	r := roles{bos: string(c.BOS), eos: string(c.EOS), unk: string(c.Unk), spare: c.Spare}
	switch {
	case c.AddEOS:
		return roles{}, fmt.Errorf("tokenizer: %s: add_eos_token = true, want false: the end token is the caller's to place", filepath.Join(dir, configFile))
	case c.AddBOS != nil && *c.AddBOS && r.bos != "":
		r.starts = []string{r.bos}
	case c.AddBOS != nil:
		r.starts = []string{}
	}
	var err error
	if r.template, err = chatTemplate(c.Template); err != nil {
		return roles{}, fmt.Errorf("tokenizer: %s: %w", filepath.Join(dir, configFile), err)
	}
	data, err := readFile(filepath.Join(dir, templateFile))
	switch {
	case err == nil:
		r.template = string(data)
	case !errors.Is(err, fs.ErrNotExist):
		return roles{}, err
	}
	return r, nil
}

// noAddedFile refuses a folder whose vocabulary goes on in another file.
func noAddedFile(dir string) error {
	const name = "added_tokens.json"
	if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
		return fmt.Errorf("tokenizer: %s: more tokens, which are read from %s only; save the tokenizer as that", filepath.Join(dir, name), FileName)
	}
	return nil
}

// chatTemplate reads a template that stands alone, or the one called "default" of a list.
func chatTemplate(raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &list); err != nil {
		return "", fmt.Errorf("chat_template: %w", err)
	}
	for _, t := range list {
		if t.Name == "default" {
			return t.Template, nil
		}
	}
	return "", nil
}

// assign gives the special tokens their parts. Those that the vocabulary lacks
// get new ids at its end; the end token must be there.
func (v *vocabulary) assign(r roles) error {
	ids := make(map[string]int32, len(v.added))
	for _, t := range v.added {
		ids[t.content] = t.id
	}
	// find makes the first name that is in the vocabulary special.
	find := func(names ...string) int32 {
		for _, name := range names {
			if id, ok := ids[name]; ok {
				v.makeSpecial(id)
				return id
			}
			if name == "" {
				continue
			}
			for id := range v.pieces {
				if v.spelled(int32(id)) == name {
					v.makeSpecial(int32(id))
					return int32(id)
				}
			}
		}
		return -1
	}
	if r.eos != "" {
		if v.eos = find(r.eos); v.eos < 0 {
			return fmt.Errorf("eos_token = %q, which is not in the vocabulary", r.eos)
		}
	} else if v.eos = find(eosNames...); v.eos < 0 {
		return fmt.Errorf("added_tokens: no %q, nor does %s name another end token", EOSToken, configFile)
	}
	v.bos, v.unk = find(r.bos), find(r.unk)
	for _, name := range r.starts {
		id := find(name)
		if id < 0 {
			return fmt.Errorf("the text starts with %q, which is not in the vocabulary", name)
		}
		v.starts = append(v.starts, id)
	}
	if v.bos < 0 && len(v.starts) > 0 {
		v.bos = v.starts[0]
	}
	v.spare, v.template = r.spare, r.template
	part := func(names []string) int32 {
		if id := find(names...); id >= 0 && id != v.eos && id != v.bos {
			return id
		}
		v.add(addedToken{content: names[0], special: true})
		v.spare++
		return int32(len(v.pieces) - 1)
	}
	v.pad, v.eoc = part(padNames), part(eocNames)
	if v.spare < 0 || v.spare > len(v.pieces) {
		return fmt.Errorf("rlhf_spare = %d of %d ids", v.spare, len(v.pieces))
	}
	return nil
}

// makeSpecial takes a token out of what Encode may yield.
func (v *vocabulary) makeSpecial(id int32) {
	at, ok := v.addedAt(id)
	if !ok {
		v.added = slices.Insert(v.added, at, addedToken{id: id, content: v.spelled(id)})
	}
	v.added[at].special, v.special[id] = true, true
	v.pieces[id] = v.added[at].content
}
