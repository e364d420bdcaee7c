package tasks_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/tasks"
)

// table is a model whose log-probabilities stand in a table, by what follows what; it writes
// what stands in the other.
type table struct {
	logp    map[string]float64 // of prompt + "|" + response
	writes  map[string]string
	prompts []string // that it was asked
	calls   int
}

func (m *table) Predict(ts []rlhf.Transcript) ([]rlhf.Prediction, error) {
	m.calls++
	out := make([]rlhf.Prediction, len(ts))
	for i, t := range ts {
		m.prompts = append(m.prompts, t.Prompt)
		v, ok := m.logp[t.Prompt+"|"+t.Response]
		if !ok {
			return nil, errors.New("no entry for " + t.Prompt + "|" + t.Response)
		}
		n := len(strings.Fields(t.Response))
		out[i] = rlhf.Prediction{LogP: v, Tokens: n}
		if v > -1 {
			out[i].First = n
		}
	}
	return out, nil
}

func (m *table) Sample(prompts []string, o rlhf.Sampling) ([]rlhf.Sample, error) {
	m.calls++
	if o.Temperature >= 0 {
		return nil, errors.New("not greedy")
	}
	out := make([]rlhf.Sample, len(prompts))
	for i, p := range prompts {
		m.prompts = append(m.prompts, p)
		out[i] = rlhf.Sample{Prompt: p, Response: m.writes[p]}
	}
	return out, nil
}

// One question whose five measures pick five different choices, by hand:
//
//	choice        log p   characters  bytes  tokens  bare    sum   char    byte    token   pmi
//	ab            −2      2           2      1       −1      −2*   −1      −1      −2      −1
//	éééééé        −3      6           12     1       −2      −3    −0.5    −0.25*  −3      −1
//	abcdefghij    −4      10          10     2       −2      −4    −0.4*   −0.4    −2      −2
//	a b c d       −5      7           7      4       −1      −5    −0.714  −0.714  −1.25*  −4
//	abcde         −6      5           5      1       −9      −6    −1.2    −1.2    −6      +3*
func TestFiveMeasures(t *testing.T) {
	q := "Question: ?\nAnswer:"
	choices := []string{"ab", "éééééé", "abcdefghij", "a b c d", "abcde"}
	m := &table{logp: map[string]float64{}}
	for i, v := range []float64{-2, -3, -4, -5, -6} {
		m.logp[q+"| "+choices[i]] = v
		m.logp["Answer:| "+choices[i]] = []float64{-1, -2, -2, -1, -9}[i]
	}
	task := tasks.Task{Name: "t", Kind: tasks.Choice, Format: tasks.Answered, Norm: tasks.Char,
		Items: []tasks.Item{{ID: "a", Prompt: "Question: ?", Choices: choices, Gold: 2}}}
	r, err := tasks.Ask(m, task, tasks.Options{PMI: true})
	if err != nil {
		t.Fatal(err)
	}
	want := map[tasks.Norm]int{tasks.Sum: 0, tasks.Byte: 1, tasks.Char: 2, tasks.Token: 3, tasks.PMI: 4}
	for i, n := range r.Norms {
		if got := r.Records[0].Picked[i]; got != want[n] {
			t.Errorf("%s picks %d, want %d", n, got, want[n])
		}
		a, err := r.Accuracy(n)
		if err != nil || (a.Value == 1) != (n == tasks.Char) || a.N != 1 {
			t.Errorf("%s: %+v, %v", n, a, err)
		}
	}
	if len(r.Norms) != 5 || r.Main().Value != 1 || r.Chance != 0.2 {
		t.Errorf("%v, quoted %v, chance %v", r.Norms, r.Main(), r.Chance)
	}
	// The usual mistake: the space before the choice counted as one of its characters. Here
	// −2/3 = −0.667 and −4/11 = −0.364 leave the order, but not in the next question.
	cs := []tasks.Candidate{{Text: "a", LogP: -1.5}, {Text: "abc", LogP: -4}} // −1.5, −1.33; with the space −0.75, −1
	if tasks.Char.Pick(cs) != 1 {
		t.Error("the space before a choice is counted")
	}
	without, err := tasks.Ask(m, task, tasks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := without.Accuracy(tasks.PMI); err == nil || !strings.Contains(err.Error(), "pmi has to be asked for") {
		t.Errorf("pmi without asking: %v", err)
	}
	task.Norm = tasks.PMI
	if _, err := tasks.Ask(m, task, tasks.Options{}); err == nil {
		t.Error("a task that is quoted by pmi was asked without it")
	}
}

// Of equal choices the first counts, as in the harness's argmax.
func TestTies(t *testing.T) {
	if got := tasks.Sum.Pick([]tasks.Candidate{{LogP: -2}, {LogP: -1}, {LogP: -1}}); got != 1 {
		t.Errorf("picked %d, want the first of the best, 1", got)
	}
}

// A cloze is right if every token of the word is the first choice; the perplexity is of words.
func TestCloze(t *testing.T) {
	m := &table{logp: map[string]float64{"one two| three": -0.5, "four| five six": -2, "x ____. ->| y": -1, "one two ____. -> three\n\nfour ____. ->| five six": -0.25, "four ____. -> five six\n\none two ____. ->| three": -4}}
	task := tasks.Task{Name: "t", Kind: tasks.Cloze, Format: tasks.Plain, WithExamples: tasks.Blank,
		Items: []tasks.Item{{ID: "a", Prompt: "one two", Answers: []string{"three"}}, {ID: "b", Prompt: "four", Answers: []string{"five six"}}}}
	r, err := tasks.Ask(m, task, tasks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Main().Value != 0.5 || !r.Records[0].Right[0] || r.Records[1].Right[0] {
		t.Errorf("%+v", r.Records)
	}
	if want := math.Exp(1.25); math.Abs(r.Perplexity-want) > 1e-12 {
		t.Errorf("perplexity %v, want %v", r.Perplexity, want)
	}
	if wrong := (math.Exp(0.5) + math.Exp(2)) / 2; math.Abs(r.Perplexity-wrong) < 1e-3 {
		t.Error("the perplexity is a mean of perplexities")
	}
	few, err := tasks.Ask(m, task, tasks.Options{Shots: 1})
	if err != nil {
		t.Fatal(err)
	}
	if few.Format != "blank" || few.Records[0].LogP[0] != -4 || few.Records[1].LogP[0] != -0.25 {
		t.Errorf("with an example: %+v", few)
	}
	if _, err := tasks.Ask(m, task, tasks.Options{Shots: 2}); err == nil || !strings.Contains(err.Error(), "2 examples are asked for before a, and there are 1") {
		t.Errorf("more examples than there are: %v", err)
	}
}

// A free answer is cut at the first stop and compared in normal form.
func TestFree(t *testing.T) {
	task := tasks.Task{Name: "t", Kind: tasks.Free, Format: tasks.Plain, Items: []tasks.Item{
		{ID: "a", Prompt: "who?", Answers: []string{"The Beatles", "Fab Four"}},
		{ID: "b", Prompt: "what?", Answers: []string{"onion"}},
	}}
	task.Format.Stops = []string{"\n", ".", ","}
	m := &table{writes: map[string]string{"who?": " beatles, I think", "what?": " an onion or two\nQuestion:"}}
	r, err := tasks.Ask(m, task, tasks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Records[0].Right[0] || r.Records[1].Right[0] || r.Records[0].Answer != "beatles" || r.Records[1].Answer != "an onion or two" {
		t.Errorf("%+v", r.Records)
	}
}

// TriviaQA's normal form, by its script run by hand.
func TestNormal(t *testing.T) {
	for in, want := range map[string]string{
		"The  Beatles":          "beatles",
		"An_apple a day":        "apple day",
		"Rock 'n' Roll":         "rock n roll",
		"U.S.A.":                "u s",
		"“Titanic”":             "“titanic”", // not among the script's marks
		"theatre":               "theatre",
		"Dr. Jekyll & Mr. Hyde": "dr jekyll mr hyde",
		"‘A’":                   "",
	} {
		if got := tasks.Normal(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if tasks.ExactMatch("the", []string{"A", ""}) {
		t.Error("nothing equals nothing")
	}
	if tasks.ExactMatch("onions", []string{"onion"}) {
		t.Error("a part of an answer is not it")
	}
}

func items(n int) []tasks.Item {
	out := make([]tasks.Item, n)
	for i := range out {
		out[i] = tasks.Item{ID: string(rune('a' + i)), Prompt: string(rune('A' + i)), Answers: []string{"x"}}
	}
	return out
}

// A smaller sample is part of a larger one, and an item's examples do not depend on the
// company that it is asked in; it is never its own example.
func TestSampleAndExamples(t *testing.T) {
	task := tasks.Task{Name: "t", Kind: tasks.Cloze, Format: tasks.Plain, Items: items(20)}
	small, large := task.Sample(5, 3), task.Sample(10, 3)
	for i, it := range small.Items {
		if it.ID != large.Items[i].ID {
			t.Errorf("item %d is %s of 5 and %s of 10", i, it.ID, large.Items[i].ID)
		}
	}
	if task.Sample(5, 4).Items[0].ID == small.Items[0].ID && task.Sample(5, 4).Items[1].ID == small.Items[1].ID {
		t.Error("the seed changes nothing")
	}
	for i, it := range small.Items {
		got, _, err := small.Lay(i, 4, 9)
		if err != nil {
			t.Fatal(err)
		}
		whole, _, err := task.Lay(int(it.ID[0]-'a'), 4, 9)
		if err != nil {
			t.Fatal(err)
		}
		if got != whole || strings.Count(got, "\n\n") != 4 || strings.Contains(got, it.Prompt+" x") {
			t.Errorf("%s: %q, of the whole task %q", it.ID, got, whole)
		}
	}
	// Fixed examples are of the item's own group, in their order.
	task.Fixed, task.Examples = true, []tasks.Item{{ID: "1", Group: "g", Prompt: "one", Answers: []string{"x"}},
		{ID: "2", Group: "h", Prompt: "two", Answers: []string{"x"}}, {ID: "3", Group: "g", Prompt: "three", Answers: []string{"x"}}}
	task.Items[0].Group = "g"
	if p, _, err := task.Lay(0, 2, 9); err != nil || p != "one x\n\nthree x\n\nA" {
		t.Errorf("%q, %v", p, err)
	}
	if _, _, err := task.Lay(0, 3, 9); err == nil {
		t.Error("another group's example was taken")
	}
}

// Before and after must be of the same items, asked alike.
func TestCompare(t *testing.T) {
	m := &table{logp: map[string]float64{"A| x": 0, "B| x": 0, "C| x": -2, "D| x": -2}}
	after := &table{logp: map[string]float64{"A| x": 0, "B| x": -2, "C| x": 0, "D| x": 0}}
	task := tasks.Task{Name: "t", Kind: tasks.Cloze, Format: tasks.Plain, Items: items(4)}
	one, err := tasks.Ask(m, task, tasks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	two, err := tasks.Ask(after, task, tasks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := tasks.Compare(one, two, "")
	if err != nil || c.Gained != 2 || c.Lost != 1 || c.Change != 0.25 {
		t.Errorf("%+v, %v", c, err)
	}
	some, err := tasks.Ask(m, task, tasks.Options{N: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tasks.Compare(some, two, ""); err == nil || !strings.Contains(err.Error(), "ask both alike") {
		t.Errorf("other items: %v", err)
	}
	two.Records[1].ID = "z"
	if _, err := tasks.Compare(one, two, ""); err == nil || !strings.Contains(err.Error(), "item 1 is b before and z after") {
		t.Errorf("other items: %v", err)
	}
}

// Whoever asks hears of it, and can end it.
func TestSay(t *testing.T) {
	m := &table{logp: map[string]float64{}}
	task := tasks.Task{Name: "t", Kind: tasks.Cloze, Format: tasks.Plain}
	for i := range 150 {
		p := strings.Repeat("p", i+1)
		m.logp[p+"| x"] = -1
		task.Items = append(task.Items, tasks.Item{ID: p, Prompt: p, Answers: []string{"x"}})
	}
	var heard []int
	if _, err := tasks.Ask(m, task, tasks.Options{Say: func(done, of int) error { heard = append(heard, done, of); return nil }}); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 6 || heard[0] != 64 || heard[4] != 150 || heard[5] != 150 {
		t.Errorf("heard %v", heard)
	}
	m.calls = 0
	enough := errors.New("enough")
	if _, err := tasks.Ask(m, task, tasks.Options{Say: func(int, int) error { return enough }}); !errors.Is(err, enough) || m.calls != 1 {
		t.Errorf("%v after %d calls", err, m.calls)
	}
	for _, o := range []tasks.Options{{Shots: -1}, {N: -1}} {
		if _, err := tasks.Ask(m, task, o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	if _, err := tasks.Ask(m, tasks.Task{Name: "none"}, tasks.Options{}); err == nil {
		t.Error("a task without items was asked")
	}
}

// MMLU's accuracy is also by subject.
func TestGroups(t *testing.T) {
	m := &table{logp: map[string]float64{"A| x": 0, "B| x": -2, "C| x": 0}}
	task := tasks.Task{Name: "t", Kind: tasks.Cloze, Format: tasks.Plain, Items: items(3)}
	task.Items[0].Group, task.Items[1].Group, task.Items[2].Group = "two", "two", "one"
	r, err := tasks.Ask(m, task, tasks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.Groups("")
	if err != nil || len(g) != 2 || g[0].Name != "one" || g[0].Value != 1 || g[1].Value != 0.5 || g[1].N != 2 {
		t.Errorf("%+v, %v", g, err)
	}
}
