package tasks

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Norm is the measure by which a choice is the best. With log p(a|q) = Σ log p(token) over
// the choice a after the question q:
//
//	Sum    log p(a|q)                       the harness's acc
//	Char   log p(a|q) / characters of a     the harness's acc_norm: a's own, without the space before it
//	Byte   log p(a|q) / bytes of a          differs from Char where a is not ASCII
//	Token  log p(a|q) / tokens of a         Brown et al. 2020, section 2.4
//	PMI    log p(a|q) − log p(a|"Answer:")  Brown et al. 2020; Holtzman et al. 2021
//
// A sum favours short choices, a mean long ones whose end is foretold by their beginning; PMI
// takes off how likely a choice is without any question.
type Norm string

// The measures of multiple choice.
const (
	Sum   Norm = "sum"
	Char  Norm = "char"
	Byte  Norm = "byte"
	Token Norm = "token"
	PMI   Norm = "pmi"
)

// The measures of the other kinds.
const (
	Greedy Norm = "greedy" // cloze: the model's first choices are the word
	Exact  Norm = "exact"  // free answers: right
)

// Norms are the measures of multiple choice.
var Norms = []Norm{Sum, Char, Byte, Token, PMI}

// ParseNorm is the measure of that name; "" stays "", a task's own.
func ParseNorm(s string) (Norm, error) {
	if s == "" {
		return "", nil
	}
	names := make([]string, len(Norms))
	for i, n := range Norms {
		if names[i] = string(n); s == names[i] {
			return n, nil
		}
	}
	return "", fmt.Errorf("tasks: there is no measure %q, want one of %s", s, strings.Join(names, ", "))
}

// A Candidate is a choice as a model took it.
type Candidate struct {
	Text   string  // without the space before it
	LogP   float64 // after the question, nats
	Bare   float64 // after the prompt that asks nothing; for PMI
	Tokens int
}

// Score is the candidate's measure: the highest is the answer.
func (n Norm) Score(c Candidate) float64 {
	switch n {
	case Char:
		return c.LogP / float64(utf8.RuneCountInString(c.Text))
	case Byte:
		return c.LogP / float64(len(c.Text))
	case Token:
		return c.LogP / float64(c.Tokens)
	case PMI:
		return c.LogP - c.Bare
	}
	return c.LogP
}

// Pick returns the place of the best candidate, the first of equals.
func (n Norm) Pick(cs []Candidate) int {
	best := 0
	for i, c := range cs {
		if n.Score(c) > n.Score(cs[best]) {
			best = i
		}
	}
	return best
}
