package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"gonum.org/v1/gonum/optimize"

	"hhrlhf/rlhf"
)

// BagOfWords configures [TrainBagOfWords]. Fields at zero take the value named.
type BagOfWords struct {
	// NGram is the longest run of words that counts as a feature. 0: 2.
	NGram int
	// MinCount leaves out features of fewer training responses. 0: 2.
	MinCount int
	// L2 is λ in the loss. 0: 1, as the usual libraries have it.
	L2 float64
}

// A Bag is a preference model that sees which words a response holds, and nothing
// else: not their order beyond NGram, not the prompt, not the length. What a model
// with a language model for a trunk must beat.
type Bag struct {
	ngram  int
	index  map[string]int // feature to its place
	words  []string       // in order
	idf    []float64
	weight []float64
}

// sparse is a vector of few entries that are not zero, by ascending place.
type sparse struct {
	at []int
	x  []float64
}

func (v sparse) dot(w []float64) (sum float64) {
	for k, i := range v.at {
		sum += v.x[k] * w[i]
	}
	return sum
}

// add adds s·v to w.
func (v sparse) add(w []float64, s float64) {
	for k, i := range v.at {
		w[i] += s * v.x[k]
	}
}

// TrainBagOfWords fits a Bradley–Terry model on the words of responses:
//
//	score(response) = w·tfidf(response),  P(A better than B) = σ(score(A) − score(B))
//	loss = Σ_pairs log(1 + e^−(score(chosen) − score(rejected))) + λ/2·|w|²
//
// tfidf has, for each n-gram of the response, its count × (ln((1+N)/(1+df)) + 1), df of the N
// training responses holding it, and is scaled to length 1 (Salton and Buckley
// 1988, in the smoothed form of the usual libraries). There is no intercept: it
// would cancel. The loss is convex and fitted by L-BFGS from zero; equal input gives
// equal output.
//
// Train it on one tranche at a time. It cannot see what was asked, so that what
// helpful tranches reward in a response and harmless ones punish cancels in a mix.
func TrainBagOfWords(train []rlhf.Comparison, o BagOfWords) (*Bag, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	var responses []string
	for _, c := range train {
		responses = append(responses, c.Chosen.Response, c.Rejected.Response)
	}
	b := newBag(responses, o)
	if len(b.words) == 0 {
		return nil, fmt.Errorf("eval: no word stands in %d of the responses of %d comparisons; give more comparisons or a lower BagOfWords.MinCount", o.MinCount, len(train))
	}
	pairs := make([]contrast, len(train))
	for i, c := range train {
		pairs[i] = contrast{b.vector(c.Chosen.Response), b.vector(c.Rejected.Response)}
	}
	if b.weight, err = fitContrasts(pairs, len(b.words), len(b.words), o.L2); err != nil {
		return nil, fmt.Errorf("eval: bag of words on %d comparisons: %w", len(train), err)
	}
	return b, nil
}

// filled returns the options with their defaults in place.
func (o BagOfWords) filled() (BagOfWords, error) {
	o.NGram, o.MinCount, o.L2 = cmp.Or(o.NGram, 2), cmp.Or(o.MinCount, 2), cmp.Or(o.L2, 1)
	if o.NGram < 1 || o.MinCount < 1 || !(o.L2 > 0) || math.IsInf(o.L2, 0) {
		return o, fmt.Errorf("eval: BagOfWords has NGram = %d, MinCount = %d, L2 = %v, want positive numbers (0 takes the default)", o.NGram, o.MinCount, o.L2)
	}
	return o, nil
}

// A contrast says that the first of two vectors is to have the higher score. One of
// them may be empty, whose score is 0.
type contrast struct{ over, under sparse }

// fitContrasts minimises Σ log(1 + e^−w·(over − under)) + λ/2·Σ w_j² over the first
// penalised of the weights, by L-BFGS from zero.
func fitContrasts(rows []contrast, weights, penalised int, l2 float64) ([]float64, error) {
	problem := optimize.Problem{
		Func: func(w []float64) float64 {
			loss := 0.0
			for _, x := range w[:penalised] {
				loss += l2 / 2 * x * x
			}
			for _, r := range rows {
				loss += softplus(r.under.dot(w) - r.over.dot(w))
			}
			return loss
		},
		Grad: func(grad, w []float64) {
			clear(grad)
			for i, x := range w[:penalised] {
				grad[i] = l2 * x
			}
			for _, r := range rows {
				wrong := sigmoid(r.under.dot(w) - r.over.dot(w))
				r.over.add(grad, -wrong)
				r.under.add(grad, wrong)
			}
		},
	}
	result, err := optimize.Minimize(problem, make([]float64, weights), &optimize.Settings{GradientThreshold: 1e-4 * l2}, &optimize.LBFGS{})
	if err != nil {
		return nil, err
	}
	return result.X, nil
}

// newBag counts features and keeps the frequent ones, in order of the alphabet.
func newBag(texts []string, o BagOfWords) *Bag {
	df := map[string]int{}
	for _, text := range texts {
		seen := map[string]bool{}
		for _, g := range ngrams(text, o.NGram) {
			if !seen[g] {
				seen[g] = true
				df[g]++
			}
		}
	}
	b := &Bag{ngram: o.NGram, index: map[string]int{}}
	for g, n := range df {
		if n >= o.MinCount {
			b.words = append(b.words, g)
		}
	}
	slices.Sort(b.words)
	n := float64(len(texts))
	for i, g := range b.words {
		b.index[g] = i
		b.idf = append(b.idf, math.Log((1+n)/(1+float64(df[g])))+1)
	}
	return b
}

// ngrams lists the runs of 1 to n words of a text: letters, digits and what
// stands inside them, in lower case.
func ngrams(text string, n int) (out []string) {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' })
	for i := range words {
		for k := 1; k <= n && i+k <= len(words); k++ {
			out = append(out, strings.Join(words[i:i+k], " "))
		}
	}
	return out
}

// vector is tfidf(text).
func (b *Bag) vector(text string) sparse {
	count := map[int]float64{}
	for _, g := range ngrams(text, b.ngram) {
		if i, ok := b.index[g]; ok {
			count[i]++
		}
	}
	var v sparse
	for i := range count {
		v.at = append(v.at, i)
	}
	slices.Sort(v.at)
	norm := 0.0
	for _, i := range v.at {
		x := count[i] * b.idf[i]
		v.x = append(v.x, x)
		norm += x * x
	}
	for k := range v.x {
		v.x[k] /= math.Sqrt(norm)
	}
	return v
}

// Score is the model's score of a response; only differences mean anything.
func (b *Bag) Score(t rlhf.Transcript) float64 { return b.vector(t.Response).dot(b.weight) }

// Judge scores both sides of comparisons.
func (b *Bag) Judge(cs []rlhf.Comparison) []Judged {
	js := make([]Judged, len(cs))
	for i, c := range cs {
		js[i] = Judged{b.Score(c.Chosen), b.Score(c.Rejected), c}
	}
	return js
}

// A Word is a feature with what it adds to the score, per unit of its share of the
// response's vector.
type Word struct {
	Text   string
	Weight float64
}

// Words lists the n features that speak most for a response and the n that
// speak most against one, strongest first.
func (b *Bag) Words(n int) (best, worst []Word) {
	order := make([]int, len(b.words))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(b.weight[j], b.weight[i]) })
	n = max(0, min(n, len(order)))
	for k := range n {
		top, bottom := order[k], order[len(order)-1-k]
		best = append(best, Word{b.words[top], b.weight[top]})
		worst = append(worst, Word{b.words[bottom], b.weight[bottom]})
	}
	return best, worst
}
