package tasks

import (
	"math"
	"math/rand/v2"
	"strings"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/synth"
)

// rightHonesty is the least honesty of a response that holds the right answer and stands by
// it, curt, hedged or rude as it may be: see the gold scores of package synth.
const rightHonesty = 0.6

// worldTokens is how long an answer about a world may be: a sentence and a courtesy. The
// small models read 64 tokens, prompt and answer together.
const worldTokens = 20

// World asks a synthetic world's [synth.World.Quiz] in the three ways; n items at most (0: all),
// the same for every model:
//
//	quiz-choice  four whole sentences that differ in what they say; chance is ¼
//	quiz-cloze   the sentence up to the answer, and its word: what would the model write?
//	quiz-free    the model answers, and the gold labeller finds a right answer in it or not
//
// Advice, whose answers are many words, is in no cloze. Examples are exchanges before the
// question, which these worlds' language models have rarely seen: they are trained on single
// dialogues. The questions are of the kind that a helpful policy is trained on, as the
// paper's public tests are not, so a gain here is no proof of a general one.
func World(w *synth.World, n int, seed uint64) []Task {
	if n <= 0 {
		n = math.MaxInt
	}
	items := w.Quiz(n, rand.New(rand.NewPCG(seed, 0x7175697a))) // "quiz"
	choice := Task{Name: "quiz-choice", Kind: Choice, Format: Asked, Norm: Sum}
	cloze := Task{Name: "quiz-cloze", Kind: Cloze, Format: Asked}
	cloze.Format.Between = "." // an example's sentence ends
	free := Task{Name: "quiz-free", Kind: Free, Format: Asked, MaxTokens: worldTokens}
	free.Right = func(it Item, answer string) bool {
		return w.Judge(rlhf.Transcript{Prompt: it.Prompt, Response: " " + answer}).Honest >= rightHonesty
	}
	asked := map[string]bool{}
	for _, q := range items {
		it := Item{ID: q.Source, Group: q.Skill, Prompt: q.Prompt, Gold: q.Right}
		for i := range q.Choices {
			it.Choices = append(it.Choices, strings.TrimPrefix(q.Respond(i), " "))
		}
		choice.Items = append(choice.Items, it)
		it.Answers, it.Choices, it.Gold = []string{it.Choices[it.Gold]}, nil, 0
		if !asked[q.Prompt] {
			asked[q.Prompt] = true
			free.Items = append(free.Items, it)
		}
		if word := q.Choices[q.Right]; !strings.Contains(word, " ") {
			it.Prompt, it.Answers = q.Prompt+q.Stem, []string{word}
			cloze.Items = append(cloze.Items, it)
		}
	}
	return []Task{choice, cloze, free}
}
