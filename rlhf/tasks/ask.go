package tasks

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
)

// A Model can be asked; every [rlhf.LMRun] is one.
type Model interface {
	Predict(ts []rlhf.Transcript) ([]rlhf.Prediction, error)
	Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error)
}

// Options say how a task is asked. The zero value asks all items, without examples.
type Options struct {
	Shots int    // examples before an item
	N     int    // items, see [Task.Sample]; 0: all
	Seed  uint64 // of the items and the examples
	// PMI asks for each choice without the question too, which [PMI] needs.
	PMI bool
	// Say is told after each batch how many items have been asked. An error of it ends the asking.
	Say func(done, of int) error
}

// maxTokens of a free answer, where the task does not say: those of TriviaQA are names.
const maxTokens = 16

// batchItems is how many items go to the model at once: enough to fill its passes, few
// enough for news every few seconds.
const batchItems = 64

// A Record is one item and how the model took it.
type Record struct {
	ID    string `json:"id"`
	Group string `json:"group,omitempty"`
	Gold  int    `json:"gold,omitempty"`
	// LogP, Bare and Tokens are of each choice; of a cloze, of the word.
	LogP   []float64 `json:"logp,omitempty"`
	Bare   []float64 `json:"bare,omitempty"`
	Tokens []int     `json:"tokens,omitempty"`
	// Picked is the choice by each measure of the result, Right whether it is right.
	Picked []int  `json:"picked,omitempty"`
	Right  []bool `json:"right"`
	Answer string `json:"answer,omitempty"` // that the model wrote
}

// A Result is what a model has of a task.
type Result struct {
	Task   string  `json:"task"`
	Kind   Kind    `json:"kind"`
	Format string  `json:"format"`
	Shots  int     `json:"shots"`
	N      int     `json:"n"`
	Chance float64 `json:"chance"` // what guessing gets right
	// Norm is the measure that the task is quoted by, Norms all that were taken, in the order
	// of Record.Right; Accuracies are their shares, with 95 % Wilson intervals over items.
	Norm       Norm            `json:"norm"`
	Norms      []Norm          `json:"norms"`
	Accuracies []rlhf.Accuracy `json:"accuracies"`
	// Perplexity is of a cloze: e^(−mean log p of the word).
	Perplexity float64  `json:"perplexity,omitempty"`
	Records    []Record `json:"records,omitempty"`
}

// Accuracy is the share that is right by a measure; "" is the task's own.
func (r Result) Accuracy(n Norm) (rlhf.Accuracy, error) {
	at, err := r.place(n)
	if err != nil {
		return rlhf.Accuracy{}, err
	}
	return r.Accuracies[at], nil
}

// Main is the accuracy by the measure that the task is quoted by.
func (r Result) Main() rlhf.Accuracy { return r.Accuracies[slices.Index(r.Norms, r.Norm)] }

func (r Result) place(n Norm) (int, error) {
	if n == "" {
		n = r.Norm
	}
	at := slices.Index(r.Norms, n)
	if at < 0 {
		return 0, fmt.Errorf("tasks: %s was measured by %q, not by %q (pmi has to be asked for)", r.Task, r.Norms, n)
	}
	return at, nil
}

// Groups are the accuracies of the items' groups by a measure, in order of name.
func (r Result) Groups(n Norm) ([]rlhf.Accuracy, error) {
	at, err := r.place(n)
	if err != nil {
		return nil, err
	}
	rights := map[string][]bool{}
	var names []string
	for _, rec := range r.Records {
		if rights[rec.Group] == nil {
			names = append(names, rec.Group)
		}
		rights[rec.Group] = append(rights[rec.Group], rec.Right[at])
	}
	slices.Sort(names)
	out := make([]rlhf.Accuracy, len(names))
	for i, name := range names {
		out[i] = accuracy(name, rights[name])
	}
	return out, nil
}

func accuracy(name string, right []bool) rlhf.Accuracy {
	k := 0
	for _, r := range right {
		if r {
			k++
		}
	}
	a := rlhf.Accuracy{Name: name, N: len(right), Value: float64(k) / float64(max(1, len(right)))}
	a.Low, a.High = eval.WilsonInterval(float64(k), len(right), eval.Z95)
	return a
}

// Ask asks a model the items of a task and measures its answers.
func Ask(m Model, t Task, o Options) (Result, error) {
	if o.Shots < 0 || o.N < 0 {
		return Result{}, fmt.Errorf("tasks: Shots = %d, N = %d, want 0 or more", o.Shots, o.N)
	}
	t = t.Sample(o.N, o.Seed)
	if len(t.Items) == 0 {
		return Result{}, fmt.Errorf("tasks: %s has no items", t.Name)
	}
	r := Result{Task: t.Name, Kind: t.Kind, Format: t.format(o.Shots).Name, Shots: o.Shots, N: len(t.Items), Chance: t.Chance()}
	ask := &asker{m: m, t: t, o: o}
	var each func(at []int, prompts []string, answers [][]string) ([]Record, error)
	switch t.Kind {
	case Choice:
		r.Norm, r.Norms = t.Norm, slices.Clone(Norms)
		if !o.PMI {
			r.Norms = r.Norms[:len(r.Norms)-1]
		}
		ask.norms, each = r.Norms, ask.choose
	case Cloze:
		r.Norm, r.Norms, each = Greedy, []Norm{Greedy}, ask.complete
	case Free:
		r.Norm, r.Norms, each = Exact, []Norm{Exact}, ask.write
	default:
		return Result{}, fmt.Errorf("tasks: %s: there is no kind of task %q", t.Name, t.Kind)
	}
	if _, err := r.place(r.Norm); err != nil {
		return Result{}, err
	}
	for start := 0; start < len(t.Items); start += batchItems {
		var at []int
		var prompts []string
		var answers [][]string
		for i := start; i < min(start+batchItems, len(t.Items)); i++ {
			p, a, err := t.Lay(i, o.Shots, o.Seed)
			if err != nil {
				return Result{}, err
			}
			at, prompts, answers = append(at, i), append(prompts, p), append(answers, a)
		}
		records, err := each(at, prompts, answers)
		if err != nil {
			return Result{}, fmt.Errorf("tasks: %s: %w", t.Name, err)
		}
		r.Records = append(r.Records, records...)
		if o.Say != nil {
			if err := o.Say(len(r.Records), len(t.Items)); err != nil {
				return Result{}, err
			}
		}
	}
	r.measure()
	return r, nil
}

// measure makes the accuracies, and the perplexity of a cloze, of the records.
func (r *Result) measure() {
	for i, n := range r.Norms {
		right := make([]bool, len(r.Records))
		for j, rec := range r.Records {
			right[j] = rec.Right[i]
		}
		r.Accuracies = append(r.Accuracies, accuracy(string(n), right))
	}
	if r.Kind == Cloze {
		sum := 0.0
		for _, rec := range r.Records {
			sum += rec.LogP[0]
		}
		r.Perplexity = math.Exp(-sum / float64(len(r.Records)))
	}
}

// An asker asks one batch of items.
type asker struct {
	m     Model
	t     Task
	o     Options
	norms []Norm
}

// choose asks which choice is the likeliest.
func (a *asker) choose(at []int, prompts []string, answers [][]string) ([]Record, error) {
	var ts []rlhf.Transcript
	for i := range at {
		ts = append(ts, transcripts(prompts[i], answers[i])...)
	}
	asked := len(ts)
	if a.o.PMI {
		for i := range at {
			ts = append(ts, transcripts(a.t.format(a.o.Shots).Bare, answers[i])...)
		}
	}
	ps, err := a.m.Predict(ts)
	if err != nil {
		return nil, err
	}
	out := make([]Record, len(at))
	next := 0
	for i, item := range at {
		it := a.t.Items[item]
		rec := Record{ID: it.ID, Group: it.Group, Gold: it.Gold}
		cs := make([]Candidate, len(answers[i]))
		for j, text := range answers[i] {
			cs[j] = Candidate{Text: strings.TrimPrefix(text, " "), LogP: ps[next].LogP, Tokens: ps[next].Tokens}
			if rec.LogP, rec.Tokens = append(rec.LogP, cs[j].LogP), append(rec.Tokens, cs[j].Tokens); a.o.PMI {
				cs[j].Bare = ps[asked+next].LogP
				rec.Bare = append(rec.Bare, cs[j].Bare)
			}
			next++
		}
		for _, n := range a.norms {
			pick := n.Pick(cs)
			rec.Picked, rec.Right = append(rec.Picked, pick), append(rec.Right, pick == it.Gold)
		}
		out[i] = rec
	}
	return out, nil
}

// complete asks whether the word is what the model would write.
func (a *asker) complete(at []int, prompts []string, answers [][]string) ([]Record, error) {
	var ts []rlhf.Transcript
	for i := range at {
		ts = append(ts, transcripts(prompts[i], answers[i])...)
	}
	ps, err := a.m.Predict(ts)
	if err != nil {
		return nil, err
	}
	out := make([]Record, len(at))
	for i, item := range at {
		it := a.t.Items[item]
		out[i] = Record{ID: it.ID, Group: it.Group, LogP: []float64{ps[i].LogP}, Tokens: []int{ps[i].Tokens}, Right: []bool{ps[i].Greedy()}}
	}
	return out, nil
}

// write lets the model answer.
func (a *asker) write(at []int, prompts []string, _ [][]string) ([]Record, error) {
	written, err := a.m.Sample(prompts, rlhf.Sampling{Temperature: -1, MaxTokens: cmp.Or(a.t.MaxTokens, maxTokens)})
	if err != nil {
		return nil, err
	}
	out := make([]Record, len(at))
	for i, item := range at {
		it := a.t.Items[item]
		answer := Until(written[i].Response, a.t.format(a.o.Shots).Stops...)
		right := a.t.Right
		if right == nil {
			right = func(it Item, answer string) bool { return ExactMatch(answer, it.Answers) }
		}
		out[i] = Record{ID: it.ID, Group: it.Group, Answer: answer, Right: []bool{right(it, answer)}}
	}
	return out, nil
}
