package pretrained_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"hhrlhf/rlhf/pretrained"
)

// Opening reads the description only. The checkpoint here is llama2.c's, of the
// smallest model that the format can hold: 2 wide, one layer, one head, three ids.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiny.bin")
	f, err := os.Create(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	if err := binary.Write(f, binary.LittleEndian, []int32{2, 1, 1, 1, 1, 3, 1}); err != nil {
		fmt.Println(err)
		return
	}
	if err := binary.Write(f, binary.LittleEndian, make([]float32, 36)); err != nil {
		fmt.Println(err)
		return
	}
	m, err := pretrained.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Family, m.Shape.Vocab, m.Shape.Width, m.Shape.Norm, m.Shape.Activation)
	fmt.Println(m.Shape.Params(), "parameters,", m.Bytes(), "bytes")
	// Output:
	// llama 3 2 rms silu
	// 34 parameters, 136 bytes
}
