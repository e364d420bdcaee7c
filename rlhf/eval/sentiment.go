package eval

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"hhrlhf/rlhf"
)

// A Sentiment says whether a text is positive, by its words alone.
type Sentiment struct {
	bag  *Bag
	bias float64
}

// TrainSentiment fits logistic regression on the words of texts:
//
//	P(positive | text) = σ(w·tfidf(text) + b)
//	loss = Σ_positive log(1 + e^−(w·tfidf + b)) + Σ_negative log(1 + e^(w·tfidf + b)) + λ/2·|w|²
//
// with the features of [TrainBagOfWords]; b is not penalised. On the sentences of Pang
// and Lee 2005 it is right about three times in four where no word is shared but by
// chance; measure it with [Sentiment.Accuracy] on texts that it has not seen before its
// verdicts are believed on any others.
func TrainSentiment(positive, negative []string, o BagOfWords) (*Sentiment, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	if len(positive) == 0 || len(negative) == 0 {
		return nil, fmt.Errorf("eval: sentiment: %d positive and %d negative texts, want some of each", len(positive), len(negative))
	}
	b := newBag(append(append([]string{}, positive...), negative...), o)
	if len(b.words) == 0 {
		return nil, fmt.Errorf("eval: sentiment: no word stands in %d of the %d texts; give more texts or a lower BagOfWords.MinCount", o.MinCount, len(positive)+len(negative))
	}
	rows := make([]contrast, 0, len(positive)+len(negative))
	for _, text := range positive {
		rows = append(rows, contrast{over: b.withBias(text)})
	}
	for _, text := range negative {
		rows = append(rows, contrast{under: b.withBias(text)})
	}
	w, err := fitContrasts(rows, len(b.words)+1, len(b.words), o.L2)
	if err != nil {
		return nil, fmt.Errorf("eval: sentiment of %d texts: %w", len(rows), err)
	}
	b.weight = w[:len(b.words)]
	return &Sentiment{bag: b, bias: w[len(b.words)]}, nil
}

// withBias is the vector of a text with a 1 behind the words.
func (b *Bag) withBias(text string) sparse {
	v := b.vector(text)
	return sparse{append(v.at, len(b.words)), append(v.x, 1)}
}

// P is the probability that a text is positive. One without a known word gets what the
// training texts have of positive ones, more or less.
func (s *Sentiment) P(text string) float64 {
	return sigmoid(s.bag.vector(text).dot(s.bag.weight) + s.bias)
}

// Words lists the n features that speak most for a positive text and the n that speak
// most for a negative one, strongest first.
func (s *Sentiment) Words(n int) (positive, negative []Word) { return s.bag.Words(n) }

// Accuracy is how often it is right about texts that it was not trained on. A
// probability of exactly one half counts half.
func (s *Sentiment) Accuracy(positive, negative []string) rlhf.Accuracy {
	right := 0.0
	credit := func(p float64) float64 {
		switch {
		case p > 0.5:
			return 1
		case p == 0.5:
			return 0.5
		}
		return 0
	}
	for _, text := range positive {
		right += credit(s.P(text))
	}
	for _, text := range negative {
		right += credit(1 - s.P(text))
	}
	return share("sentiment", right, len(positive)+len(negative))
}

// A GroupMean is the mean of one group's values with its 95 % interval.
type GroupMean struct {
	Name string  `json:"name"`
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Groups compares the means of several groups.
type Groups struct {
	Groups []GroupMean `json:"groups"` // in the order given
	// Mean is that of the groups' means, each of equal weight, with its normal 95 % interval.
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Spread is the standard deviation of the groups' true means, estimated as
	//
	//	√max(0, s² − Σ_g σ_g²/n_g / G)      s²: variance of the G observed means
	//
	// Groups without any difference have means that differ by chance; what chance does is
	// taken off.
	Spread float64 `json:"spread"`
	// P is the probability of means as far apart as these where the groups do not
	// differ: the F test of one-way analysis of variance.
	P float64 `json:"p"`
}

// MeanByGroup compares groups of values (Bai et al. 2022, figure 17: the sentiment of
// continuations by the group that they are about). The values of a group are independent
// of one another; their intervals are the percentile bootstrap's, equal for equal input.
func MeanByGroup(names []string, values [][]float64) (Groups, error) {
	if len(names) < 2 || len(names) != len(values) {
		return Groups{}, fmt.Errorf("eval: groups: %d names and %d lists of values, want equal numbers and at least 2", len(names), len(values))
	}
	var out Groups
	var all, means []float64
	chance, within, between := 0.0, 0.0, 0.0
	for g, x := range values {
		if len(x) < 2 {
			return Groups{}, fmt.Errorf("eval: groups: %s has %d values, want at least 2", names[g], len(x))
		}
		for i, v := range x {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return Groups{}, fmt.Errorf("eval: groups: value %d of %s is %v, want a number", i, names[g], v)
			}
		}
		mean, variance := stat.MeanVariance(x, nil)
		low, high := BootstrapInterval(x, 0.95, resamples, rand.New(rand.NewPCG(0x6709, uint64(g))))
		out.Groups = append(out.Groups, GroupMean{names[g], len(x), mean, low, high})
		all, means = append(all, x...), append(means, mean)
		chance += variance / float64(len(x)) / float64(len(values))
		within += variance * float64(len(x)-1)
	}
	g, n := float64(len(means)), float64(len(all))
	grand := stat.Mean(all, nil)
	for i, m := range means {
		between += float64(len(values[i])) * (m - grand) * (m - grand)
	}
	out.Mean = stat.Mean(means, nil)
	half := Z95 * math.Sqrt(chance/g) // the variance of a mean of G means is Σ σ²/n / G²
	out.Low, out.High = out.Mean-half, out.Mean+half
	out.Spread = math.Sqrt(max(0, stat.Variance(means, nil)-chance))
	switch {
	case between == 0:
		out.P = 1
	case within > 0:
		out.P = distuv.F{D1: g - 1, D2: n - g}.Survival(between / (g - 1) / (within / (n - g)))
	}
	return out, nil
}
