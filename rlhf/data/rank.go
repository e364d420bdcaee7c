package data

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"hhrlhf/rlhf"
)

// The marks that Binarise puts before a response.
const (
	Good = " GOOD:"
	Bad  = " BAD:"
)

// DefaultPairs bounds the pairs that Ranked makes of one thread.
const DefaultPairs = 4

// The odd kinds that threads have beside those of comparisons.
const (
	OddOrphan Kind = "answer without its question"
	OddMarker Kind = "text holds the marker of a turn"
)

// A Thread is a question and its answers, whose votes say which are better.
type Thread struct {
	Question string
	Answers  []Answer
	Source   string // "file:row id" or "forum:index", for error messages
}

// An Answer is plain text, with the votes for it less those against it.
type Answer struct {
	Text     string
	Votes    int
	Accepted bool // by who asked
}

// Rank is the score of an answer in preference-model pretraining (Askell et al.
// 2021, section 4):
//
//	rank = round(log₂(1 + votes)) + 1 if accepted
//	rank = −1                         if votes < 0, accepted or not
//
// log₂(1 + votes) never lies halfway between two integers.
func Rank(votes int, accepted bool) int {
	if votes < 0 {
		return -1
	}
	rank := int(math.Round(math.Log2(1 + float64(votes))))
	if accepted {
		rank++
	}
	return rank
}

// Check says why no comparison can be made of the thread, whatever its votes: an
// empty text, or one that holds "\n\nHuman:" or "\n\nAssistant:", which would be
// read as a turn.
func (t Thread) Check() error {
	if _, problem, cure := checkText(t.Question); problem != "" {
		return fmt.Errorf("data: %s: question: %s; %s", t.Source, problem, cure)
	}
	for i, a := range t.Answers {
		if _, problem, cure := checkText(a.Text); problem != "" {
			return fmt.Errorf("data: %s: answer %d: %s; %s", t.Source, i+1, problem, cure)
		}
	}
	return nil
}

// checkText tells the faults of a text apart that shall become a turn.
func checkText(s string) (kind Kind, problem, cure string) {
	if strings.TrimSpace(s) == "" {
		return OddEmpty, "no text", "write one, or delete the row"
	}
	for _, marker := range []string{rlhf.Human, rlhf.Assistant} {
		if i := strings.Index(s, marker); i >= 0 {
			return OddMarker, fmt.Sprintf("byte %d begins %s, which would be read as a turn", i+1, excerpt(s[i:])), "put another word before the colon, or delete the row"
		}
	}
	return "", "", ""
}

// Ranked makes comparisons of answers of different [Rank], the higher one chosen:
// at most the given number, or [DefaultPairs] if that is 0 or less. An answer stands
// in one pair at most, so that one pass over the pairs reads each text once.
//
// With the n answers in the order of their ranks, equal ones as they stand, answer i
// is paired with answer i+⌈n/2⌉: no other way makes more pairs, and neither the
// plainest nor the closest contests are preferred. Pairs with better answers come
// first; two answers of the same text make none.
//
// Tranche is left to the caller. Source is the thread's with the numbers of the
// chosen and of the rejected answer, from 1: "forum:17:2/1". A thread that fails
// [Thread.Check] makes no comparison.
func Ranked(t Thread, most int) []rlhf.Comparison {
	if t.Check() != nil {
		return nil
	}
	var out []rlhf.Comparison
	for _, p := range pairUp(t.Answers, most) {
		c := compare(t, p)
		c.Source = fmt.Sprintf("%s:%d/%d", t.Source, p.chosen+1, p.rejected+1)
		out = append(out, c)
	}
	return out
}

// A pair holds the indices of two answers.
type pair struct{ chosen, rejected int }

// pairUp is the rule of [Ranked].
func pairUp(answers []Answer, most int) []pair {
	if most <= 0 {
		most = DefaultPairs
	}
	order := make([]int, len(answers))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) int { return Rank(answers[i].Votes, answers[i].Accepted) }
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(rank(j), rank(i)) })
	var out []pair
	half := (len(order) + 1) / 2
	for i := 0; i+half < len(order) && len(out) < most; i++ {
		p := pair{order[i], order[i+half]}
		if rank(p.chosen) > rank(p.rejected) && response(answers[p.chosen]) != response(answers[p.rejected]) {
			out = append(out, p)
		}
	}
	return out
}

func compare(t Thread, p pair) rlhf.Comparison {
	prompt := rlhf.Human + " " + strings.TrimSpace(t.Question) + rlhf.Assistant
	return rlhf.Comparison{
		Chosen:   rlhf.Transcript{Prompt: prompt, Response: response(t.Answers[p.chosen])},
		Rejected: rlhf.Transcript{Prompt: prompt, Response: response(t.Answers[p.rejected])},
	}
}

func response(a Answer) string { return " " + strings.TrimSpace(a.Text) }

// Binarise makes two comparisons of each (Askell et al. 2021, section 4.3): of A > B
// it makes
//
//	GOOD: A > BAD: A
//	BAD: B > GOOD: B
//
// so that what is learned is whether a text is good, not which of two is better. The
// mark stands at the beginning of the response; prompt, tranche and source stay.
func Binarise(cs []rlhf.Comparison) []rlhf.Comparison {
	out := make([]rlhf.Comparison, 0, 2*len(cs))
	for _, c := range cs {
		better, worse := c, c
		better.Chosen, better.Rejected = marked(Good, c.Chosen), marked(Bad, c.Chosen)
		worse.Chosen, worse.Rejected = marked(Bad, c.Rejected), marked(Good, c.Rejected)
		out = append(out, better, worse)
	}
	return out
}

func marked(mark string, t rlhf.Transcript) rlhf.Transcript {
	if !strings.HasPrefix(t.Response, " ") {
		mark += " "
	}
	t.Response = mark + t.Response
	return t
}
