package synth

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// A QuizItem asks for one fact, sum or program's result: a prompt, and answers of which one is
// right.
type QuizItem struct {
	Skill  string
	Prompt string // ends with the Assistant mark
	// Stem is the beginning of an answer in a whole sentence, up to its last part, such as
	// " a dog says"; it starts with a space. Stem, a space, one of Choices and a full stop are
	// a response.
	Stem    string
	Choices []string // such as "woof"; shuffled
	Right   int      // which of them is
	Source  string   // "synth-quiz:" and the item's number
}

// quizChoices is how many answers an item has: the right one and so many less one of the same
// kind, which are wrong.
const quizChoices = 4

// Quiz draws n items; fewer where the world does not have so many. Each fact can be asked in
// its every phrasing and answered in its every sentence; no two items are alike in all three.
// Sums and programs are drawn.
// The questions are benign, plainly asked and have nothing before them. Wrong answers are of
// the right kind (another animal's sound, a number nearby), the sentence is the same for all of
// an item, and so is its length in words but for advice: what tells them apart is what they say.
func (w *World) Quiz(n int, rng *rand.Rand) []QuizItem {
	var out []QuizItem
	seen := map[string]bool{}
	add := func(r *relation, x string, ask, say template) {
		if q, ok := w.quizItem(r, x, ask, say, rng); ok && !seen[q.Prompt+q.Stem] {
			seen[q.Prompt+q.Stem] = true
			out = append(out, q)
		}
	}
	for i, r := range w.relations {
		if w.skills[i] == 0 {
			continue
		}
		xs := r.keys
		for r.keys == nil && len(xs) < quizComputed {
			xs = append(xs, r.draw(rng))
		}
		for _, x := range xs {
			for _, ask := range r.ask {
				for _, say := range r.say {
					if strings.HasSuffix(say.text, " {y}") {
						add(r, x, ask, say)
					}
				}
			}
		}
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	out = out[:max(0, min(n, len(out)))]
	for i := range out {
		out[i].Source = fmt.Sprintf("synth-quiz:%d", i)
	}
	return out
}

// quizComputed is how many sums are drawn, and how many programs.
const quizComputed = 20

// quizItem asks for the y of x.
func (w *World) quizItem(r *relation, x string, ask, say template, rng *rand.Rand) (QuizItem, bool) {
	right, ok := r.lookup(x)
	if !ok {
		return QuizItem{}, false
	}
	q := QuizItem{Skill: r.name, Prompt: rlhf.Human + " " + ask.render(x, "") + rlhf.Assistant, Choices: []string{right}}
	q.Stem = " " + strings.TrimSuffix(say.render(x, ""), " ")
	for range 100 { // sums near zero have few neighbours
		if len(q.Choices) == quizChoices {
			break
		}
		if y := r.wrong(right, rng); !slices.Contains(q.Choices, y) {
			q.Choices = append(q.Choices, y)
		}
	}
	rng.Shuffle(len(q.Choices), func(i, j int) { q.Choices[i], q.Choices[j] = q.Choices[j], q.Choices[i] })
	q.Right = slices.Index(q.Choices, right)
	return q, true
}

// Respond is the response that gives the answer at place i.
func (q QuizItem) Respond(i int) string { return q.Stem + " " + q.Choices[i] + "." }
