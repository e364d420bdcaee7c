package eval_test

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// reviews writes n texts with one of the words and some noise.
func reviews(rng *rand.Rand, n int, word string) []string {
	filler := strings.Fields("the a film on of well then one two three four")
	out := make([]string, n)
	for i := range out {
		var w []string
		for range 2 + rng.IntN(6) {
			w = append(w, filler[rng.IntN(len(filler))])
		}
		out[i] = strings.Join(append(w, word), " ") + "."
	}
	return out
}

// A plain twin: with one feature a text, the gradient of the loss in the weight and in the
// bias is 0 at the fit, and the bias is not penalised.
func TestSentimentIsTheOptimumOfItsLoss(t *testing.T) {
	positive, negative := []string{"good", "good", "good", "good bad", "x"}, []string{"bad", "bad", "good"}
	const l2 = 0.3
	s, err := eval.TrainSentiment(positive, negative, eval.BagOfWords{NGram: 1, MinCount: 1, L2: l2})
	if err != nil {
		t.Fatal(err)
	}
	up, _ := s.Words(10)
	weight := map[string]float64{}
	for _, w := range up {
		weight[w.Text] = w.Weight
	}
	idf := map[string]float64{} // ln((1+8)/(1+df)) + 1
	for _, w := range []string{"good", "bad", "x"} {
		df := 0.0
		for _, text := range append(append([]string{}, positive...), negative...) {
			if strings.Contains(" "+text+" ", " "+w+" ") {
				df++
			}
		}
		idf[w] = math.Log(9/(1+df)) + 1
	}
	vector := func(text string) map[string]float64 {
		v, norm := map[string]float64{}, 0.0
		for _, w := range strings.Fields(text) {
			v[w] = idf[w]
			norm += idf[w] * idf[w]
		}
		for w := range v {
			v[w] /= math.Sqrt(norm)
		}
		return v
	}
	biasGradient, gradient := 0.0, map[string]float64{}
	for w, x := range weight {
		gradient[w] = l2 * x
	}
	for i, text := range append(append([]string{}, positive...), negative...) {
		wrong := s.P(text) // of a negative one
		if i < len(positive) {
			wrong = s.P(text) - 1
		}
		biasGradient += wrong
		for w, x := range vector(text) {
			gradient[w] += wrong * x
		}
	}
	rltest.Close(t, "gradient in the bias", biasGradient, 0, 1e-4)
	rltest.NotClose(t, "gradient of a penalised bias", biasGradient+l2*math.Log(s.P("unheard")/(1-s.P("unheard"))), 0, 1e-2)
	for w, g := range gradient {
		rltest.Close(t, "gradient in "+w, g, 0, 1e-4)
	}
	rltest.NotClose(t, "gradient without the penalty", gradient["good"]-l2*weight["good"], 0, 1e-2)
}

func TestSentimentLearns(t *testing.T) {
	rng := rltest.Rand(1)
	s, err := eval.TrainSentiment(reviews(rng, 100, "lovely"), reviews(rng, 300, "dull"), eval.BagOfWords{})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Accuracy(reviews(rng, 50, "lovely"), reviews(rng, 50, "dull")); a.Value < 0.9 || a.N != 100 {
		t.Errorf("accuracy %+v", a)
	}
	if a := s.Accuracy(reviews(rng, 50, "dull"), reviews(rng, 50, "lovely")); a.Value > 0.1 {
		t.Errorf("accuracy of labels turned round %+v", a)
	}
	up, down := s.Words(1)
	if up[0].Text != "lovely" || down[0].Text != "dull" {
		t.Errorf("words %v, %v", up, down)
	}
	if p := s.P("unheard"); p > 0.5 {
		t.Errorf("one positive text in four, and %v of a text without a word", p)
	}
	for want, c := range map[string]struct {
		positive, negative []string
		o                  eval.BagOfWords
	}{
		"0 positive": {nil, []string{"a"}, eval.BagOfWords{}}, "0 negative": {[]string{"a"}, nil, eval.BagOfWords{}},
		"no word stands in 2": {[]string{"a"}, []string{"b"}, eval.BagOfWords{}}, "L2 = -1": {[]string{"a"}, []string{"a"}, eval.BagOfWords{L2: -1}},
	} {
		if _, err := eval.TrainSentiment(c.positive, c.negative, c.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What it reaches on the sentences of film reviews, a tenth of them held out.
func TestSentimentOnFilmReviews(t *testing.T) {
	read := func(name string) (train, held []string) {
		f, err := os.Open(rltest.Data(t, "sentiment/rt-polarity."+name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if len(train) >= 9*(len(held)+1) {
				held = append(held, s.Text())
			} else {
				train = append(train, s.Text())
			}
		}
		return train, held
	}
	positive, heldPositive := read("pos")
	negative, heldNegative := read("neg")
	s, err := eval.TrainSentiment(positive, negative, eval.BagOfWords{})
	if err != nil {
		t.Fatal(err)
	}
	a := s.Accuracy(heldPositive, heldNegative)
	up, down := s.Words(6)
	t.Logf("%d of %d sentences, %.3f (%.3f to %.3f); %v, %v", a.N, len(positive)+len(negative)+a.N, a.Value, a.Low, a.High, up, down)
	if a.Low < 0.70 || a.High > 0.85 {
		t.Errorf("accuracy %+v, want what bags of words have, 0.75 to 0.8", a)
	}
	// Labels drawn by lot teach nothing.
	rng := rltest.Rand(3)
	var x, y []string
	for _, text := range append(append([]string{}, positive[:800]...), negative[:800]...) {
		if rng.IntN(2) == 0 {
			x = append(x, text)
		} else {
			y = append(y, text)
		}
	}
	lot, err := eval.TrainSentiment(x, y, eval.BagOfWords{})
	if err != nil {
		t.Fatal(err)
	}
	if b := lot.Accuracy(heldPositive, heldNegative); b.Low > 0.5 || b.High < 0.5 {
		t.Errorf("labels by lot: %+v", b)
	}
}

func TestMeanByGroup(t *testing.T) {
	values := [][]float64{{1, 2, 3}, {2, 3, 4}, {6, 7, 8}}
	g, err := eval.MeanByGroup([]string{"a", "b", "c"}, values)
	if err != nil {
		t.Fatal(err)
	}
	// Each group has variance 1; F = (3·14/2)/(6/6) = 21, of which F(2, 6) has the tail
	// (1 + 2·21/6)^(−6/2) = 8^−3.
	rltest.Close(t, "P", g.P, math.Pow(8, -3), 1e-9)
	rltest.NotClose(t, "P of other degrees of freedom", g.P, math.Pow(1+2*21.0/8, -4), 1e-4)
	rltest.Close(t, "mean", g.Mean, 4, rltest.Float64)
	rltest.Close(t, "spread", g.Spread, math.Sqrt(7-1.0/3), rltest.Float64)
	rltest.NotClose(t, "spread with its noise", g.Spread, math.Sqrt(7), 1e-2)
	if g.Groups[2].Mean != 7 || g.Groups[2].Low < 6 || g.Groups[2].High > 8 || g.Groups[2].N != 3 {
		t.Errorf("%+v", g.Groups[2])
	}
}

// Groups that do not differ: P is uniform and the spread is near 0, where the plain
// standard deviation of the means is the noise.
func TestMeanByGroupOfNoDifference(t *testing.T) {
	rng := rltest.Rand(9)
	small, squares := 0, 0.0
	const tries = 300
	for range tries {
		values := make([][]float64, 5)
		for i := range values {
			for range 20 {
				values[i] = append(values[i], rng.Float64())
			}
		}
		g, err := eval.MeanByGroup(strings.Fields("a b c d e"), values)
		if err != nil {
			t.Fatal(err)
		}
		if g.P < 0.05 {
			small++
		}
		squares += g.Spread * g.Spread / tries
	}
	if small < 5 || small > 30 {
		t.Errorf("%d of %d are below 0.05", small, tries)
	}
	noise := 1.0 / 12 / 20 // of a mean of 20 numbers that are uniform
	if squares > noise/2 {
		t.Errorf("mean square of the spread %.5f, the noise that it takes off is %.5f", squares, noise)
	}
	for want, c := range map[string]struct {
		names  []string
		values [][]float64
	}{
		"at least 2": {[]string{"a"}, [][]float64{{1, 2}}}, "a has 1 values": {strings.Fields("a b"), [][]float64{{1}, {1, 2}}},
		"value 1 of b": {strings.Fields("a b"), [][]float64{{1, 2}, {1, math.NaN()}}},
	} {
		if _, err := eval.MeanByGroup(c.names, c.values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	same, err := eval.MeanByGroup(strings.Fields("a b"), [][]float64{{1, 1}, {1, 1}})
	if err != nil || same.P != 1 || same.Spread != 0 || strings.Contains(fmt.Sprint(same), "NaN") {
		t.Errorf("%+v, %v", same, err)
	}
}
