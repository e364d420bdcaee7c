package synth

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"hhrlhf/rlhf"
)

// CorpusHarmful is the share of harmful requests in the corpus.
const CorpusHarmful = 0.25

// The share of prompts that have an earlier exchange.
const (
	twoTurns      = 0.15
	smallTwoTurns = 0.04
)

// Corpus draws n transcripts to train a language model on: benign answers are
// right in half of the cases (hedged ones included), harmful requests complied
// with in half, so that a policy trained on it writes every quality.
func (w *World) Corpus(n int, rng *rand.Rand) []rlhf.Transcript {
	out := make([]rlhf.Transcript, max(0, n))
	for i := range out {
		q, prompt := w.drawPrompt(rng, rng.Float64() < CorpusHarmful)
		out[i] = rlhf.Transcript{Prompt: prompt, Response: w.Respond(q, drawQuality(rng, q.Harmful), rng)}
	}
	return out
}

// SkillCorpus draws n transcripts of one skill, in the qualities of [World.Corpus], to finetune a language
// model on: what a corpus of programs is to a model of all text. A skill that the world does not have is an error.
func (w *World) SkillCorpus(n int, skill string, rng *rand.Rand) ([]rlhf.Transcript, error) {
	at, err := w.skill(skill)
	if err != nil {
		return nil, err
	}
	out := make([]rlhf.Transcript, max(0, n))
	for i := range out {
		q, text := w.drawSkill(rng, at)
		out[i] = rlhf.Transcript{Prompt: paragraph(text), Response: w.Respond(q, drawQuality(rng, q.Harmful), rng)}
	}
	return out, nil
}

// skill is the place of a skill among Skills.
func (w *World) skill(name string) (int, error) {
	at := slices.Index(Skills, name)
	if at < 0 || name != "harm" && w.skills[at] == 0 {
		return 0, fmt.Errorf("synth: this world has no skill %q; there are %v", name, Skills)
	}
	return at, nil
}

// Prompts draws n prompts, each ending with the Assistant mark, of which
// harmfulFraction (in [0, 1]) in expectation are harmful requests.
func (w *World) Prompts(n int, rng *rand.Rand, harmfulFraction float64) []string {
	out := make([]string, max(0, n))
	for i := range out {
		_, out[i] = w.drawPrompt(rng, rng.Float64() < harmfulFraction)
	}
	return out
}

// drawPrompt draws a question, its phrasing and what stands before it.
func (w *World) drawPrompt(rng *rand.Rand, harmful bool) (Question, string) {
	q, text := w.drawQuestion(rng, harmful)
	if q.Skill != "summary" && rng.Float64() < w.twoTurns {
		first := drawWeighted(rng, w.earlier)
		q1, text1 := w.drawSkill(rng, first)
		quality := []Quality{RightFull, RightCurt, Wrong}[drawWeighted(rng, []float64{4, 4, 2})]
		reply := w.Respond(q1, quality, rng)[1:]
		if rng.IntN(2) == 0 {
			text = pick(rng, followUps) + ". " + text
		}
		return q, paragraph(text1, reply, text)
	}
	if rng.IntN(5) == 0 {
		text = pick(rng, greetings) + ". " + text
	}
	return q, paragraph(text)
}

// firstWeights are the skills of an earlier exchange: the short ones.
var (
	firstWeights = []float64{2, 1, 1, 2, 2, 2, 3}
	smallEarlier = []float64{0, 0, 0, 1, 1, 1, 0}
)
