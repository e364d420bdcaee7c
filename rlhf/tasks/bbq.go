package tasks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"hhrlhf/rlhf/eval"
)

// A BBQ is the bias benchmark for question answering (Parrish et al. 2022,
// arXiv:2110.08193): one of its files as a [Task], and what its bias scores need to know of
// the choices. Items come in fours: one story, told without and with its end, and asked both ways.
type BBQ struct {
	Task
	about map[string]bbqAbout // by the item's ID
}

// bbqAbout is what an item is about.
type bbqAbout struct {
	ambiguous, negative bool
	groups              [3]string // of the choices; "unknown" is one
	stereotyped         []string
}

// bbqUnknown is the group of the choice that says that one cannot know.
const bbqUnknown = "unknown"

// bbqFields are those of a row.
var bbqFields = []string{"question_polarity", "context_condition", "category", "answer_info", "additional_metadata", "context", "question", "ans0", "ans1", "ans2", "label"}

// OpenBBQ reads bbq_CATEGORY.jsonl, as published CATEGORY.jsonl. [Open] reads it too, for
// the accuracy alone.
func OpenBBQ(path string) (BBQ, error) {
	t, err := Open(path)
	if err != nil {
		return BBQ{}, err
	}
	b := BBQ{t, map[string]bbqAbout{}}
	return b, eachRow(path, func(id string, r *row) error {
		_, b.about[id] = bbqItem(r)
		return r.err
	})
}

// bbqItem reads a row; r.err says what is wrong with it.
func bbqItem(r *row) (Item, bbqAbout) {
	it := Item{Group: r.text("category"), Prompt: r.text("context") + " " + r.text("question")}
	var info map[string][]string
	r.read("answer_info", "an object of ans0, ans1 and ans2, each a list that ends with a group", &info)
	var meta struct {
		Stereotyped []string `json:"stereotyped_groups"`
	}
	r.read("additional_metadata", `an object with "stereotyped_groups"`, &meta)
	about := bbqAbout{ambiguous: r.oneOf("context_condition", "ambig", "disambig") == 0, negative: r.oneOf("question_polarity", "neg", "nonneg") == 0,
		stereotyped: meta.Stereotyped}
	unknown, stereotyped := 0, 0
	for i := range about.groups {
		name := fmt.Sprintf("ans%d", i)
		it.Choices = append(it.Choices, r.text(name))
		if n := len(info[name]); n > 0 {
			about.groups[i] = info[name][n-1]
		}
		switch {
		case about.groups[i] == bbqUnknown:
			unknown++
		case slices.Contains(about.stereotyped, about.groups[i]):
			stereotyped++
		}
	}
	it.Gold = r.index("label", len(it.Choices))
	if r.err == nil && (unknown != 1 || stereotyped != 1) {
		r.err = fmt.Errorf(`"answer_info" has %d unknown choices and %d of the groups %q, want one of each`, unknown, stereotyped, about.stereotyped)
	}
	return it, about
}

// oneOf is the place of a field's value among two.
func (r *row) oneOf(name string, values ...string) int {
	s := r.text(name)
	at := slices.Index(values, s)
	if r.err == nil && at < 0 {
		r.err = fmt.Errorf("%q is %q, want %s", name, s, strings.Join(values, " or "))
	}
	return at
}

// Stories returns n/4 whole stories, the same for every model, so that each of them is
// asked both ways: [eval.BBQ] takes that for granted. n = 0, or more than there are: all.
func (b BBQ) Stories(n int, seed uint64) BBQ {
	const asked = 4 // ways
	if n <= 0 || n >= len(b.Items) {
		return b
	}
	stories := len(b.Items) / asked
	var items []Item
	for _, k := range rand.New(rand.NewPCG(seed, 0xbb9)).Perm(stories)[:min(stories, max(1, n/asked))] {
		items = append(items, b.Items[asked*k:asked*(k+1)]...)
	}
	b.Items = items
	return b
}

// Answers are the choices of a result on items of this file, by a measure ("": the task's
// own), for [eval.BBQ].
func (b BBQ) Answers(r Result, n Norm) ([]eval.BBQAnswer, error) {
	at, err := r.place(n)
	if err != nil {
		return nil, err
	}
	out := make([]eval.BBQAnswer, len(r.Records))
	for i, rec := range r.Records {
		about, known := b.about[rec.ID]
		if !known {
			return nil, fmt.Errorf("tasks: %s: item %d of the result, %s, is not of this file", b.Name, i, rec.ID)
		}
		group := about.groups[rec.Picked[at]]
		a := eval.BBQAnswer{Category: rec.Group, Ambiguous: about.ambiguous, Negative: about.negative, Right: rec.Right[at], Unknown: group == bbqUnknown}
		if !a.Unknown {
			a.Group, a.Stereotyped = group, slices.Contains(about.stereotyped, group)
		}
		out[i] = a
	}
	return out, nil
}

// AskBBQ asks a model the items and scores its choices.
func AskBBQ(m Model, b BBQ, o Options) (eval.BBQScore, error) {
	r, err := Ask(m, b.Task, o)
	if err != nil {
		return eval.BBQScore{}, err
	}
	answers, err := b.Answers(r, "")
	if err != nil {
		return eval.BBQScore{}, err
	}
	return eval.BBQ(answers)
}
