package data_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hhrlhf/rlhf/data"
)

// A corpus on disk mixed with sequences in memory, three rows to one.
func ExampleNewMix() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "verse.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("so it goes\n\n", 1000)), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	text, err := data.OpenText(path, data.TextOptions{HeldOut: 0.3})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer text.Close()
	words := func(d data.Document) []int32 { return make([]int32, len(strings.Fields(d.Response))+1) }
	disk, err := data.NewStream(text, 32, 1, words)
	if err != nil {
		fmt.Println(err)
		return
	}
	memory, err := data.NewShuffle([][]int32{{5, 6, 7}, {8, 9}}, 32, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	mix, err := data.NewMix(1, 8, data.Part{Name: "disk", Weight: 3, Rows: disk}, data.Part{Name: "memory", Weight: 1, Rows: memory})
	if err != nil {
		fmt.Println(err)
		return
	}
	counts := make([]int, 2)
	for i := range 800 {
		part, _ := mix.At(i)
		counts[part]++
	}
	row, err := mix.Row(0)
	fmt.Println(counts, len(row) > 0, err)
	// Output: [600 200] true <nil>
}
