package tasks

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	"hhrlhf/rlhf"
)

// A Kind is a way of asking.
type Kind string

// The kinds of tasks.
const (
	Choice Kind = "choice" // which of several texts is the likeliest
	Cloze  Kind = "cloze"  // is the one text that follows what the model would write
	Free   Kind = "free"   // the model writes an answer
)

// An Item is one question.
type Item struct {
	ID    string `json:"id"`              // where it is from, "file:line" or "synth:3"
	Group string `json:"group,omitempty"` // what results may be split by: a subject, a skill
	// Prompt is the question, or the text that is to be gone on with.
	Prompt string `json:"prompt"`
	// Choices are the answers to choose from, of which the one at Gold is right.
	Choices []string `json:"choices,omitempty"`
	Gold    int      `json:"gold"`
	// Answers are the right answers of a cloze or a free question; the first is the one that
	// an example shows.
	Answers []string `json:"answers,omitempty"`
}

// A Task is a list of items and how they are asked.
type Task struct {
	Name  string
	Kind  Kind
	Items []Item
	// Examples are what is shown before an item, never the item itself: drawn for each item by
	// the seed, or, if they are Fixed, the first of its own group. nil: Items.
	Examples []Item
	Fixed    bool
	Format   Format
	// WithExamples is the format where examples stand before the item; its zero value: Format.
	WithExamples Format
	// Norm is the measure that the task is quoted by, of multiple choice.
	Norm Norm
	// MaxTokens is how long a free answer may be. 0: 16, enough for a name.
	MaxTokens int
	// Right says whether a free answer is right; nil: [ExactMatch].
	Right func(it Item, answer string) bool
}

// A Format lays an item out as text.
type Format struct {
	Name string
	// Header stands before everything else, at most once; nil: nothing does.
	Header func(it Item) string
	// Prompt is all up to the answer, without a space at its end.
	Prompt func(it Item) string
	// Answer is the answer at place i of Choices, of Answers where it has none, with the
	// space before it.
	Answer func(it Item, i int) string
	// Between stands between an example and what follows it.
	Between string
	// Bare is the prompt that asks nothing, for [PMI].
	Bare string
	// Stops end a free answer.
	Stops []string
}

// format is the layout with so many examples.
func (t Task) format(shots int) Format {
	if shots > 0 && t.WithExamples.Prompt != nil {
		return t.WithExamples
	}
	return t.Format
}

// As returns the task in another format.
func (t Task) As(f Format) Task {
	t.Format, t.WithExamples = f, Format{}
	return t
}

// Chance is the share that guessing gets right: the mean of one over the number of choices.
func (t Task) Chance() float64 {
	sum := 0.0
	for _, it := range t.Items {
		if len(it.Choices) > 0 {
			sum += 1 / float64(len(it.Choices))
		}
	}
	return sum / float64(max(1, len(t.Items)))
}

// Sample returns n items, the same for every model: the first n of a list that seed
// shuffled, so that those of a smaller n are among those of a larger one. n = 0, or more than
// there are: all, in their order. Examples are drawn from the whole task still.
func (t Task) Sample(n int, seed uint64) Task {
	if n <= 0 || n >= len(t.Items) {
		return t
	}
	if t.Examples == nil {
		t.Examples = t.Items
	}
	rng := rand.New(rand.NewPCG(seed, 0x7461736b)) // "task"
	items := make([]Item, n)
	for i, j := range rng.Perm(len(t.Items))[:n] {
		items[i] = t.Items[j]
	}
	t.Items = items
	return t
}

// examples are the items that are shown before one.
func (t Task) examples(it Item, shots int, seed uint64) ([]Item, error) {
	from := t.Examples
	if from == nil {
		from = t.Items
	}
	order := func(n int) int { return n }
	if !t.Fixed {
		h := fnv.New64a()
		h.Write([]byte(it.ID)) // the same examples in whatever company the item is asked
		perm := rand.New(rand.NewPCG(seed, h.Sum64())).Perm(len(from))
		order = func(n int) int { return perm[n] }
	}
	var shown []Item
	for n := 0; n < len(from) && len(shown) < shots; n++ {
		e := from[order(n)]
		if e.ID != it.ID && (!t.Fixed || e.Group == it.Group) {
			shown = append(shown, e)
		}
	}
	if len(shown) < shots {
		return nil, fmt.Errorf("tasks: %s: %d examples are asked for before %s, and there are %d", t.Name, shots, it.ID, len(shown))
	}
	return shown, nil
}

// Lay returns the text that stands before the answer of item i, with so many examples, and
// the answers as they follow it.
func (t Task) Lay(i, shots int, seed uint64) (prompt string, answers []string, err error) {
	f, it := t.format(shots), t.Items[i]
	shown, err := t.examples(it, shots, seed)
	if err != nil {
		return "", nil, err
	}
	if f.Header != nil {
		prompt = f.Header(it)
	}
	for _, e := range shown {
		prompt += f.Prompt(e) + f.Answer(e, e.Gold) + f.Between
	}
	prompt += f.Prompt(it)
	for j := range max(len(it.Choices), min(1, len(it.Answers))) {
		answers = append(answers, f.Answer(it, j))
	}
	return prompt, answers, nil
}

// answer is the text of the answer at place i.
func (it Item) answer(i int) string {
	if len(it.Choices) > 0 {
		return it.Choices[i]
	}
	return it.Answers[i]
}

// transcripts of an item's answers behind a prompt.
func transcripts(prompt string, answers []string) []rlhf.Transcript {
	out := make([]rlhf.Transcript, len(answers))
	for i, a := range answers {
		out[i] = rlhf.Transcript{Prompt: prompt, Response: a}
	}
	return out
}
