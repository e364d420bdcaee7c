package study

import (
	"path/filepath"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/humaneval"
	"hhrlhf/rlhf/sandbox"
)

// HumanEval is how often a pretrained model's completions pass, on the first Problems of
// HumanEval, in each of figure 21's settings.
type HumanEval struct {
	Model    string         `json:"model"`
	Problems int            `json:"problems"`
	Settings []eval.Setting `json:"settings"`
	// Why counts the verdicts by their first words, "a test failed" and exceptions.
	Why map[string]int `json:"why"`
}

// humanEvalFile is the name of the problems among the task files.
const humanEvalFile = "HumanEval.jsonl.gz"

// noHumanEval says what is not at hand, "" if everything is.
func (st *Study) noHumanEval() string {
	if st.TaskFiles() == "" || st.Model() == "" {
		return "neither HumanEval nor a pretrained model was at hand"
	}
	if err := sandbox.Check(st.ctx); err != nil {
		return err.Error()
	}
	return ""
}

// humanEval asks the pretrained model for a few problems, a few times each. One that passes none of them
// is far from the paper's, and more would show the same.
func (st *Study) humanEval() (HumanEval, error) {
	h := HumanEval{Model: st.Model(), Why: map[string]int{}}
	if st.noHumanEval() != "" {
		return h, ErrNotMeasured
	}
	problems, err := humaneval.Read(filepath.Join(st.TaskFiles(), humanEvalFile))
	if err != nil {
		return h, err
	}
	// Short ones: most of a completion's price is reading its prompt.
	problems = humaneval.Shortest(problems, max(1, st.Plan.Items/10))
	model, err := st.LM("skills-humaneval", rlhf.LM{From: st.Model(), Planned: rlhf.Untrained})
	if err != nil {
		return h, err
	}
	h.Problems = len(problems)
	prompts := make([]string, len(problems))
	for i, p := range problems {
		prompts[i] = p.Prompt
	}
	h.Settings, err = eval.PassEach(eval.Settings(), prompts, 2, 96, 1, model.Sample, func(i int, _, response string) (bool, error) {
		v, err := problems[i].Judge(st.ctx, humaneval.Truncate(response), sandbox.Limits{})
		why, _, _ := strings.Cut(v.Why, ":")
		h.Why[why]++
		return v.Passed, err
	})
	return h, err
}
