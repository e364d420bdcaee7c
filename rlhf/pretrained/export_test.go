package pretrained

import "bytes"

// ExportShards is Export with files of at most shard bytes of data.
var ExportShards = export

// ReadGGUFTokenizer reads the tokenizer in a GGUF file's bytes.
func ReadGGUFTokenizer(data []byte) error {
	g, err := readGGUF(bytes.NewReader(data), "test.gguf", int64(len(data)))
	if err == nil {
		_, err = ggufTokenizer("test.gguf", g.pairs)
	}
	return err
}

// ReadGGUF reads the description in a GGUF file's bytes, up to the bound weights.
func ReadGGUF(data []byte) error {
	g, err := readGGUF(bytes.NewReader(data), "test.gguf", int64(len(data)))
	if err != nil {
		return err
	}
	d, err := g.describe()
	if err != nil {
		return err
	}
	_, _, err = d.bind()
	return err
}

// ReadLlama2c reads the description in a llama2.c checkpoint's bytes.
func ReadLlama2c(data []byte) error {
	d, err := readLlama2c(bytes.NewReader(data), "test.bin", int64(len(data)))
	if err != nil {
		return err
	}
	_, _, err = d.bind()
	return err
}

// Decode decodes whole blocks of a kind.
func Decode(kind string, src []byte) []float32 {
	b := blocks[kind]
	dst := make([]float32, len(src)/b.bytes*b.elements)
	b.decode(dst, src)
	return dst
}

// FitsIn compares the weights with an amount of free memory.
func (m *Model) FitsIn(free int64) error { return m.fitsIn(free) }
