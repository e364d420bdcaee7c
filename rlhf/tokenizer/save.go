package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// FileName is the file that Save writes and [Load] reads.
const FileName = "tokenizer.json"

// maxFile bounds what is read; the largest published tokenizer.json are below
// 40 MB.
const maxFile = 256 << 20

// Save writes dir/tokenizer.json in the form of the Hugging Face tokenizers
// library, tokenizer_config.json and special_tokens_map.json, and
// chat_template.jinja where the tokenizer came with a template; it makes dir if
// there is none. Each file is complete or absent whenever the process stops. One
// difference remains: that library turns the text "<|endoftext|>" into the
// special id unless its encode_special_tokens is set; Encode never does.
func (v *vocabulary) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	files := []struct {
		name string
		data []byte
	}{{specialMapFile, v.specialMap()}, {configFile, v.config()}, {FileName, v.canonical()}}
	if v.template != "" {
		files = slices.Insert(files, 0, struct {
			name string
			data []byte
		}{templateFile, []byte(v.template)})
	}
	for _, f := range files {
		if err := writeFile(filepath.Join(dir, f.name), f.data); err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
	}
	return nil
}

// writeFile writes a temporary file beside path and renames it.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// parts returns the special tokens that have a part, by their names in the
// Hugging Face files, in a fixed order.
func (v *vocabulary) parts() (parts [][2]string) {
	for _, p := range []struct {
		key string
		id  int32
	}{{"bos_token", v.bos}, {"eos_token", v.eos}, {"pad_token", v.pad}, {"unk_token", v.unk}} {
		if p.id >= 0 {
			parts = append(parts, [2]string{p.key, v.pieces[p.id]})
		}
	}
	return parts
}

// specialMap returns the contents of special_tokens_map.json.
func (v *vocabulary) specialMap() []byte {
	var w jsonWriter
	w.WriteString("{")
	for i, p := range v.parts() {
		w.comma(i)
		w.WriteString("\n  ")
		w.str(p[0])
		w.WriteString(": ")
		w.str(p[1])
	}
	w.WriteString("\n}\n")
	return w.Bytes()
}

// config returns the contents of tokenizer_config.json. rlhf_spare is ours; see
// Spare.
func (v *vocabulary) config() []byte {
	var w jsonWriter
	w.WriteString("{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n  \"clean_up_tokenization_spaces\": false")
	for _, p := range v.parts() {
		w.WriteString(",\n  ")
		w.str(p[0])
		w.WriteString(": ")
		w.str(p[1])
	}
	if v.spare > 0 {
		fmt.Fprintf(&w, ",\n  \"rlhf_spare\": %d", v.spare)
	}
	w.WriteString("\n}\n")
	return w.Bytes()
}

// jsonWriter writes JSON with every field in a fixed order.
type jsonWriter struct{ bytes.Buffer }

func (w *jsonWriter) str(v string) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // a string into a buffer: cannot fail
	w.Truncate(w.Len() - 1)
}

func (w *jsonWriter) comma(i int) {
	if i > 0 {
		w.WriteString(",")
	}
}

const byteLevelJSON = `{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}`

// head writes tokenizer.json up to the model.
func (v *vocabulary) head(w *jsonWriter) {
	w.WriteString("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [")
	for i, t := range v.added {
		w.comma(i)
		fmt.Fprintf(w, "\n    {\"id\": %d, \"content\": ", t.id)
		w.str(t.content)
		fmt.Fprintf(w, `, "single_word": false, "lstrip": %v, "rstrip": %v, "normalized": %v, "special": %v}`,
			t.lstrip, t.rstrip, t.normalized, t.special)
	}
	normalizer, pre, decoder := v.stages()
	w.WriteString("\n  ],\n  \"normalizer\": " + normalizer + ",\n  \"pre_tokenizer\": " + pre + ",\n  \"post_processor\": ")
	v.postProcessor(w)
	w.WriteString(",\n  \"decoder\": " + decoder)
}

// stages returns the JSON of the steps around the model.
func (v *vocabulary) stages() (normalizer, pre, decoder string) {
	const (
		replace = `{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}`
		prepend = `{"type": "Prepend", "prepend": "▁"}`
		undo    = `{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}`
		strip   = `, {"type": "Strip", "content": " ", "start": 1, "stop": 0}`
	)
	normalizer, pre, decoder = "null", "null", byteLevelJSON
	if v.nfc {
		normalizer = `{"type": "NFC"}`
	}
	split := func(expression string) string {
		var w jsonWriter
		w.str(expression)
		return `{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": ` + w.String() +
			`}, "behavior": "Isolated", "invert": false}, ` + strings.Replace(byteLevelJSON, `"use_regex": true`, `"use_regex": false`, 1) + `]}`
	}
	switch v.cut {
	case cutGPT2:
		return normalizer, byteLevelJSON, decoder
	case cutDigits:
		return normalizer, `{"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, ` + byteLevelJSON + `]}`, decoder
	case cutLlama3:
		return normalizer, split(llama3Expression), decoder
	case cutQwen2:
		return normalizer, split(qwen2Expression), decoder
	}
	decoder = `{"type": "Sequence", "decoders": [` + undo + `]}`
	if v.prefix != noPrefix {
		decoder = `{"type": "Sequence", "decoders": [` + undo + strip + `]}`
	}
	scheme := map[prefixRule]string{noPrefix: "never", eachBare: "always", firstBare: "first"}[v.prefix]
	switch {
	case v.cut == cutNot && v.prefix == eachPart:
		normalizer = `{"type": "Sequence", "normalizers": [` + prepend + `, ` + replace + `]}`
	case v.cut == cutNot && v.prefix == noPrefix:
		normalizer = replace
	default:
		pre = fmt.Sprintf(`{"type": "Metaspace", "replacement": "▁", "prepend_scheme": %q, "split": %v}`, scheme, v.cut == cutSpaces)
	}
	return normalizer, pre, decoder
}

// postProcessor writes the rule that puts the start tokens first.
func (v *vocabulary) postProcessor(w *jsonWriter) {
	if len(v.starts) == 0 {
		w.WriteString("null")
		return
	}
	sequence := func(text string) {
		for _, id := range v.starts {
			w.WriteString(`{"SpecialToken": {"id": `)
			w.str(v.pieces[id])
			w.WriteString(`, "type_id": 0}}, `)
		}
		w.WriteString(`{"Sequence": {"id": "` + text + `", "type_id": 0}}`)
	}
	w.WriteString(`{"type": "TemplateProcessing", "single": [`)
	sequence("A")
	w.WriteString(`], "pair": [`)
	sequence("A")
	w.WriteString(`, {"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {`)
	for i, id := range v.starts {
		if slices.Index(v.starts, id) < i {
			continue
		}
		w.comma(i)
		w.str(v.pieces[id])
		w.WriteString(`: {"id": `)
		w.str(v.pieces[id])
		fmt.Fprintf(w, `, "ids": [%d], "tokens": [`, id)
		w.str(v.pieces[id])
		w.WriteString(`]}`)
	}
	w.WriteString(`}}`)
}

// json returns the contents of tokenizer.json: the vocabulary by id, the merges
// by rank.
func (b *BPE) json() []byte {
	var w jsonWriter
	b.head(&w)
	w.WriteString(",\n  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": ")
	if b.unk >= 0 && b.spells() {
		w.str(b.pieces[b.unk])
	} else {
		w.WriteString("null")
	}
	fmt.Fprintf(&w, ",\n    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": %v,\n"+
		"    \"byte_fallback\": %v,\n", b.spells(), b.spells())
	if b.whole != nil {
		w.WriteString("    \"ignore_merges\": true,\n")
	}
	w.WriteString("    \"vocab\": {")
	for id := range b.pieces {
		w.comma(id)
		w.WriteString("\n      ")
		w.str(b.spelled(int32(id)))
		fmt.Fprintf(&w, ": %d", id)
	}
	w.WriteString("\n    },\n    \"merges\": [")
	for i, p := range b.merges {
		w.comma(i)
		w.WriteString("\n      ")
		w.str(b.spelled(p.left()) + " " + b.spelled(p.right()))
	}
	w.WriteString("\n    ]\n  }\n}\n")
	return w.Bytes()
}
