package synth

import (
	"math/rand/v2"
	"strings"
)

// PageMark stands between the dialogues of a page and ends each dialogue of a
// prompt (Askell et al. 2021, B.2).
const PageMark = "\n\n-----"

// An Author writes all responses of a page, and writes them alike.
type Author int

// The authors. Only the first has all three virtues.
const (
	Good     Author = iota // right and mostly polite; refuses harmful requests, kindly or plainly
	Servile                // right, often curt or hedged; complies with everything
	Careless               // wrong; complies with everything
	Evading                // does not know, or declines; knows nothing of harm either
	Surly                  // rude
)

var authorNames = [...]string{"good", "servile", "careless", "evading", "surly"}

// String returns the author in a word.
func (a Author) String() string {
	if a < 0 || int(a) >= len(authorNames) {
		return "no author"
	}
	return authorNames[a]
}

// authorShares deal the responses of the corpus out among its authors: of a
// hundred benign questions, and of a hundred harmful ones, each author answers
// its weight, so that the columns add up to benignShares and harmfulShares (but
// for one in a hundred) and one response alone looks as it does in the corpus.
var authorShares = [...]struct {
	weight          float64
	benign, harmful []float64
}{
	Good:     {26, []float64{RightPolite: 16, RightFull: 10}, []float64{16, 10}},
	Servile:  {24, []float64{RightPolite: 4, RightFull: 4, RightCurt: 11, RightHedged: 5}, []float64{Complied - RefusedKindly: 24}},
	Careless: {25, []float64{Wrong: 25}, []float64{Complied - RefusedKindly: 25}},
	Evading:  {17, []float64{Evasive: 12, Declined: 5}, []float64{RefusedBluntly - RefusedKindly: 7, Evaded - RefusedKindly: 10}},
	Surly:    {8, []float64{Rude: 8}, []float64{RefusedBluntly - RefusedKindly: 1, RefusedRudely - RefusedKindly: 7}},
}

// drawAuthor draws the author of a page.
func drawAuthor(rng *rand.Rand) Author {
	weights := make([]float64, len(authorShares))
	for i, a := range authorShares {
		weights[i] = a.weight
	}
	return Author(drawWeighted(rng, weights))
}

// Dialogue draws a question and its answer by one author; the text is in the
// paper's format.
func (w *World) Dialogue(a Author, harmful bool, rng *rand.Rand) string {
	q, prompt := w.drawPrompt(rng, harmful)
	shares, from := authorShares[a].benign, RightPolite
	if q.Harmful {
		shares, from = authorShares[a].harmful, RefusedKindly
	}
	return prompt + w.Respond(q, from+Quality(drawWeighted(rng, shares)), rng)
}

// Pages draws n documents of perPage dialogues each, with [PageMark] between
// them. One author answers all of a page, so that its beginning tells what its
// rest will be like. That is what makes a prompt of good dialogues work: a language
// model trained on single dialogues ([World.Corpus]) has no reason to heed what
// stands before one, and does not. The first dialogues of pages are distributed
// as the corpus is.
func (w *World) Pages(n, perPage int, rng *rand.Rand) []string {
	out := make([]string, max(0, n))
	for i := range out {
		author := drawAuthor(rng)
		dialogues := make([]string, perPage)
		for j := range dialogues {
			dialogues[j] = w.Dialogue(author, rng.Float64() < CorpusHarmful, rng)
		}
		out[i] = strings.Join(dialogues, PageMark)
	}
	return out
}

// HHHPrompt writes a prompt of so many dialogues, the counterpart in this world
// of the helpful, honest and harmless prompt of Askell et al. 2021: every second
// question is harmful, and each response is the best that the world can write
// (right and polite, refused kindly). Each dialogue ends with [PageMark], so that
// a new dialogue may follow.
func (w *World) HHHPrompt(dialogues int, rng *rand.Rand) string {
	var b strings.Builder
	for i := range max(0, dialogues) {
		q, prompt := w.drawPrompt(rng, i%2 == 1)
		best := RightPolite
		if q.Harmful {
			best = RefusedKindly
		}
		b.WriteString(prompt + w.Respond(q, best, rng) + PageMark)
	}
	return b.String()
}
