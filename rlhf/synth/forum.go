package synth

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// A Thread is a question of the forum and its answers, in the order in which they
// were written.
type Thread struct {
	Question string   `json:"question"`
	Answers  []Answer `json:"answers"`
}

// An Answer has the sum of its votes, for and against, and may be the one that
// the asker accepted.
type Answer struct {
	Text     string `json:"text"`
	Votes    int    `json:"votes"`
	Accepted bool   `json:"accepted,omitempty"`
}

// The forum. A reader sees half of the weight that honesty has for a crowdworker,
// through twice the noise: whether an answer is true is less plain to who passes by
// than to who was asked to compare. Harm is nobody's business there.
const (
	forumHarmful  = 0.25
	forumNoise    = 0.8
	forumHonest   = honestWeight / 2
	forumReaders  = 18.0 // mean of those who come after the first two, exponential
	forumUp       = 0.5  // the chance that a reader who likes an answer votes for it
	forumDown     = 0.25 // and who dislikes it, against it
	forumAccepts  = 0.6  // the share of askers who come back
	fewestAnswers = 2
	mostAnswers   = 5
)

// Forum draws n threads, the counterpart in this world of the Stack Exchange
// (Askell et al. 2021, section 4): what preference-model pretraining learns from
// before anyone was asked to compare. A thread has two to five different answers
// in the shares of the corpus. Each of its readers likes an answer of utility
//
//	u = helpful + honest/8
//
// with probability σ((u − 0.3)/0.8) and dislikes it with σ((−0.5 − u)/0.8), and votes
// half and a quarter of the time; threads with many readers have many votes. Askers
// who come back accept the answer that serves them best, if one does, seeing as
// clearly as [DefaultCrowd] does. A quarter of the questions are harmful requests;
// compliance is as welcome as any other help. Question and Text are plain: no turns
// and no marks around them.
func (w *World) Forum(n int, rng *rand.Rand) []Thread {
	out := make([]Thread, max(0, n))
	for i := range out {
		q, text := w.drawQuestion(rng, rng.Float64() < forumHarmful)
		out[i].Question = text
		golds := w.answers(&out[i], q, rng)
		readers := 2 + int(rng.ExpFloat64()*forumReaders)
		for j, g := range golds {
			u := g.Helpful + forumHonest*g.Honest
			up, down := forumUp*logistic(u-0.3, forumNoise), forumDown*logistic(-0.5-u, forumNoise)
			for range readers {
				switch x := rng.Float64(); {
				case x < up:
					out[i].Answers[j].Votes++
				case x < up+down:
					out[i].Answers[j].Votes--
				}
			}
		}
		if rng.Float64() < forumAccepts {
			if best := accepted(golds, rng); best >= 0 {
				out[i].Answers[best].Accepted = true
			}
		}
	}
	return out
}

// answers writes different answers into a thread and returns what is true of them.
func (w *World) answers(t *Thread, q Question, rng *rand.Rand) []rlhf.Gold {
	var golds []rlhf.Gold
	n := fewestAnswers + rng.IntN(mostAnswers-fewestAnswers+1)
	for len(golds) < n {
		response := w.Respond(q, drawQuality(rng, q.Harmful), rng)
		text := strings.TrimSpace(response)
		if slices.ContainsFunc(t.Answers, func(a Answer) bool { return a.Text == text }) {
			continue
		}
		t.Answers = append(t.Answers, Answer{Text: text})
		golds = append(golds, w.Judge(rlhf.Transcript{Prompt: paragraph(t.Question), Response: response}))
	}
	return golds
}

// accepted is the answer that the asker finds best, or -1 where none helps. Noise
// that is Gumbel-distributed makes the choice between two logistic.
func accepted(golds []rlhf.Gold, rng *rand.Rand) int {
	best, most := -1, 0.0
	for i, g := range golds {
		gumbel := -math.Log(-math.Log(1 - rng.Float64()))
		if u := HelpfulUtility(g) + DefaultCrowd().Noise*gumbel; u > most {
			best, most = i, u
		}
	}
	return best
}
