package humaneval

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"hhrlhf/rlhf/sandbox"
)

// A Problem is one function to write.
type Problem struct {
	TaskID    string `json:"task_id"`
	Prompt    string `json:"prompt"`             // imports, helpers, the signature and what it should do
	Entry     string `json:"entry_point"`        // the name of the function
	Canonical string `json:"canonical_solution"` // continues the prompt
	Test      string `json:"test"`               // defines check(candidate)
}

// Read reads problems from a file of one JSON object a line, compressed where its name ends in .gz.
func Read(path string) ([]Problem, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("humaneval: %w", err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("humaneval: %s: %w", path, err)
		}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var out []Problem
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var p Problem
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("humaneval: %s:%d: %w; want an object with task_id, prompt, entry_point, canonical_solution and test", path, n, err)
		}
		for _, field := range []struct{ name, value string }{{"task_id", p.TaskID}, {"prompt", p.Prompt}, {"entry_point", p.Entry}, {"test", p.Test}} {
			if field.value == "" {
				return nil, fmt.Errorf("humaneval: %s:%d: %s is empty or missing", path, n, field.name)
			}
		}
		out = append(out, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("humaneval: %s:%d: %w", path, len(out)+1, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("humaneval: %s holds no problem", path)
	}
	return out, nil
}

// Stops end a completion: each begins something after the function (Chen et al. 2021, section 2.1).
var Stops = []string{"\nclass", "\ndef", "\n#", "\nif", "\nprint"}

// Truncate cuts a completion at the first of Stops, which it leaves out.
func Truncate(completion string) string {
	for _, s := range Stops {
		completion, _, _ = strings.Cut(completion, s)
	}
	return completion
}

// A Verdict says whether a completion passed all tests of its problem, and if not, why.
type Verdict struct {
	Passed bool   `json:"passed"`
	Why    string `json:"why"` // "passed", "a test failed", an exception, or a limit
}

//go:embed driver.py
var driver string

// Judge continues the problem's prompt with the completion and tests what comes out. The error is of the machine or of ctx,
// never of the completion.
func (p Problem) Judge(ctx context.Context, completion string, l sandbox.Limits) (Verdict, error) {
	token := rand.Text()
	input, err := json.Marshal(map[string]string{"program": p.Prompt + completion, "prompt": p.Prompt, "entry": p.Entry, "test": p.Test, "token": token})
	if err != nil {
		return Verdict{}, fmt.Errorf("humaneval: %s: %w", p.TaskID, err)
	}
	end, err := sandbox.Run(ctx, sandbox.Program{Source: driver, Input: input}, l)
	if err != nil {
		return Verdict{}, err
	}
	said, signed := strings.CutPrefix(string(end.Stdout), token+" ")
	switch {
	case end.How == sandbox.OutOfTime || end.How == sandbox.TooMuchSaid:
		return Verdict{Why: end.How}, nil
	case end.How == sandbox.Signalled && (end.Code == int(syscall.SIGXCPU) || end.Code == int(syscall.SIGKILL)):
		return Verdict{Why: "out of processor time"}, nil
	case !signed:
		return Verdict{Why: fmt.Sprintf("no verdict: %s %d %.200s", end.How, end.Code, bytes.TrimSpace(end.Stderr))}, nil
	}
	return Verdict{Passed: said == "passed", Why: said}, nil
}

// Shortest returns the n problems with the shortest prompts, in the file's order.
func Shortest(problems []Problem, n int) []Problem {
	at := make([]int, len(problems))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int { return len(problems[a].Prompt) - len(problems[b].Prompt) })
	at = at[:min(n, len(at))]
	slices.Sort(at)
	out := make([]Problem, len(at))
	for i, j := range at {
		out[i] = problems[j]
	}
	return out
}
