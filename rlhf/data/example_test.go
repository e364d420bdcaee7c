package data_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"hhrlhf/rlhf/data"
)

// exampleFile writes three rows, the last of which prefers nothing.
func exampleFile() (path string, cleanUp func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(dir, "harmless-base.jsonl")
	rows := `{"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: go away"}
{"prompt": "who are you?", "chosen": "an assistant", "rejected": "guess"}
{"prompt": "why?", "chosen": "because", "rejected": "because"}
`
	if err := os.WriteFile(path, []byte(rows), 0o644); err != nil {
		log.Fatal(err)
	}
	return path, func() { os.RemoveAll(dir) }
}

func ExampleLoad() {
	path, cleanUp := exampleFile()
	defer cleanUp()
	cs, report, err := data.Load(path, data.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q > %q\n", cs[1].Chosen.Response, cs[1].Rejected.Response)
	fmt.Println(strings.ReplaceAll(report.String(), filepath.Dir(path)+"/", ""))
	// Output:
	// " an assistant" > " guess"
	// 2 comparisons of 3 rows
	//   harmless-base: 2 of 3 rows (harmless-base.jsonl)
	//   skipped, identical pair: 1 (harmless-base.jsonl:3)
}

func ExampleComparisons() {
	path, cleanUp := exampleFile()
	defer cleanUp()
	for c, err := range data.Comparisons(path) {
		if err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", ""))
			continue
		}
		fmt.Printf("%q\n", c.Chosen)
	}
	// Output:
	// "\n\nHuman: hi\n\nAssistant: hello"
	// "\n\nHuman: who are you?\n\nAssistant: an assistant"
	// data: harmless-base.jsonl:3: identical pair: chosen and rejected are both " because"; delete the row: it prefers nothing
}

func ExampleSplit() {
	train, test := data.Split(pairs(100), 0.2, 1)
	fmt.Println(len(train), len(test), len(data.Prompts(train)))
	// Output:
	// 150 50 150
}
