package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// FileName is the file that [BPE.Save] writes and [Load] reads.
const FileName = "tokenizer.json"

// maxFile bounds what Load reads; the largest published tokenizer.json are
// below 40 MB.
const maxFile = 256 << 20

// Save writes dir/tokenizer.json, a byte-level BPE in the form of the Hugging
// Face tokenizers library, and makes dir if there is none. The file is complete or
// absent whenever the process stops. One difference remains: that library turns
// the text "<|endoftext|>" into the special id unless its
// encode_special_tokens is set; Encode never does.
func (b *BPE) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	if err := writeFile(filepath.Join(dir, FileName), b.canonical()); err != nil {
		return fmt.Errorf("tokenizer: %w", err)
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

// canonical returns the contents of tokenizer.json: every field in a fixed
// order, the vocabulary by id, the merges by rank.
func (b *BPE) canonical() []byte {
	var s bytes.Buffer
	str := func(v string) {
		enc := json.NewEncoder(&s)
		enc.SetEscapeHTML(false)
		enc.Encode(v) // a string into a buffer: cannot fail
		s.Truncate(s.Len() - 1)
	}
	spelled := func(id int32) string {
		if b.special[id] {
			return b.pieces[id]
		}
		return toAlphabet(b.pieces[id])
	}
	comma := func(i int) {
		if i > 0 {
			s.WriteString(",")
		}
	}

	s.WriteString("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [")
	n := 0
	for id, special := range b.special {
		if !special {
			continue
		}
		comma(n)
		n++
		fmt.Fprintf(&s, "\n    {\"id\": %d, \"content\": ", id)
		str(b.pieces[id])
		s.WriteString(`, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}`)
	}
	const byteLevel = `{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}`
	s.WriteString("\n  ],\n  \"normalizer\": null,\n  \"pre_tokenizer\": " + byteLevel +
		",\n  \"post_processor\": null,\n  \"decoder\": " + byteLevel +
		",\n  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n" +
		"    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n" +
		"    \"byte_fallback\": false,\n    \"vocab\": {")
	for id := range b.pieces {
		comma(id)
		s.WriteString("\n      ")
		str(spelled(int32(id)))
		fmt.Fprintf(&s, ": %d", id)
	}
	s.WriteString("\n    },\n    \"merges\": [")
	for i, p := range b.merges {
		comma(i)
		s.WriteString("\n      ")
		str(spelled(p.left()) + " " + spelled(p.right()))
	}
	s.WriteString("\n    ]\n  }\n}\n")
	return s.Bytes()
}
