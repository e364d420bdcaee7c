package eval_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/data"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// wordy makes comparisons whose labels depend on two words, given some noise.
func wordy(rng *rand.Rand, n int) []rlhf.Comparison {
	filler := strings.Fields("the a on of well then one two three four")
	say := func(word string) string {
		var w []string
		for range 2 + rng.IntN(8) {
			w = append(w, filler[rng.IntN(len(filler))])
		}
		return " " + strings.Join(append(w, word), " ") + "."
	}
	cs := make([]rlhf.Comparison, n)
	for i := range cs {
		cs[i] = comparison(i, 1, "", 0, 0)
		a, b := "Thanks", "stupid"
		if rng.Float64() < 0.1 {
			a, b = b, a
		}
		cs[i].Chosen.Response, cs[i].Rejected.Response = say(a), say(b)
	}
	return cs
}

// A plain twin: dense vectors, counted naively, and the gradient of the loss there.
func TestBagIsTheOptimumOfItsLoss(t *testing.T) {
	cs := wordy(rltest.Rand(1), 60)
	const l2 = 0.7
	b, err := eval.TrainBagOfWords(cs, eval.BagOfWords{NGram: 1, MinCount: 1, L2: l2})
	if err != nil {
		t.Fatal(err)
	}
	words, _ := b.Words(1 << 20)
	clean := strings.NewReplacer(".", "", "\n", " ").Replace
	responses := func(c rlhf.Comparison) []string { return []string{c.Chosen.Response, c.Rejected.Response} }
	idf := make([]float64, len(words))
	for k, w := range words {
		df := 0.0
		for _, c := range cs {
			for _, r := range responses(c) {
				if strings.Contains(" "+clean(strings.ToLower(r))+" ", " "+w.Text+" ") {
					df++
				}
			}
		}
		idf[k] = math.Log((1+120)/(1+df)) + 1
	}
	vector := func(text string) []float64 {
		v, norm := make([]float64, len(words)), 0.0
		for _, w := range strings.Fields(clean(strings.ToLower(text))) {
			for k := range words {
				if words[k].Text == w {
					v[k] += idf[k]
				}
			}
		}
		for _, x := range v {
			norm += x * x
		}
		for k := range v {
			v[k] /= math.Sqrt(norm)
		}
		return v
	}
	gradient := func(scale float64) (largest float64) {
		grad := make([]float64, len(words))
		for k, w := range words {
			grad[k] = l2 * w.Weight * scale
		}
		for _, c := range cs {
			x, y, gap := vector(c.Chosen.Response), vector(c.Rejected.Response), 0.0
			for k := range x {
				gap += words[k].Weight * scale * (x[k] - y[k])
			}
			for k := range x {
				grad[k] -= (x[k] - y[k]) / (1 + math.Exp(gap))
			}
		}
		for _, g := range grad {
			largest = max(largest, math.Abs(g))
		}
		return largest
	}
	rltest.Close(t, "gradient at the fit", gradient(1), 0.0, 1e-4)
	rltest.NotClose(t, "gradient beside it", gradient(1.01), 0.0, 1e-4)
	want := 0.0
	for k, x := range vector(cs[0].Chosen.Response) {
		want += x * words[k].Weight
	}
	rltest.Close(t, "score", b.Score(cs[0].Chosen), want, rltest.Float64)
}

func TestBagLearnsWords(t *testing.T) {
	train, held := wordy(rltest.Rand(2), 400), wordy(rltest.Rand(3), 400)
	b, err := eval.TrainBagOfWords(train, eval.BagOfWords{})
	if err != nil {
		t.Fatal(err)
	}
	if a := eval.Accuracy("", b.Judge(held)); a.Value < 0.85 || a.Value > 0.95 {
		t.Errorf("accuracy %.3f, want about 0.9", a.Value)
	}
	best, worst := b.Words(1)
	if best[0].Text != "thanks" || worst[0].Text != "stupid" || best[0].Weight <= 0 || worst[0].Weight >= 0 {
		t.Errorf("words %v, %v", best, worst)
	}
	again, err := eval.TrainBagOfWords(train, eval.BagOfWords{NGram: 2, MinCount: 2, L2: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range held {
		if b.Score(c.Chosen) != again.Score(c.Chosen) {
			t.Fatal("the same comparisons give another bag")
		}
	}
	// Labels flipped: the model must be as wrong.
	for i := range train {
		train[i].Chosen, train[i].Rejected = train[i].Rejected, train[i].Chosen
	}
	flipped, err := eval.TrainBagOfWords(train, eval.BagOfWords{})
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "labels flipped", flipped.Score(held[0].Chosen), -b.Score(held[0].Chosen), 1e-3)
	rltest.NotClose(t, "labels", b.Score(held[0].Chosen), 0.0, 1e-1)
	if s := b.Score(rlhf.Transcript{Response: " unheard"}); s != 0 {
		t.Errorf("no known word scores %v", s)
	}
}

// Length alone is not seen: it is what the baseline must not use.
func TestBagIgnoresLength(t *testing.T) {
	b, err := eval.TrainBagOfWords(wordy(rltest.Rand(4), 100), eval.BagOfWords{NGram: 1})
	if err != nil {
		t.Fatal(err)
	}
	once, thrice := b.Score(rlhf.Transcript{Response: "thanks one"}), b.Score(rlhf.Transcript{Response: "thanks one thanks one thanks one"})
	rltest.Close(t, "three times over", thrice, once, rltest.Float64)
	rltest.NotClose(t, "once", once, 0.0, 1e-2)
}

func TestBagErrors(t *testing.T) {
	for want, o := range map[string]eval.BagOfWords{"NGram = -1": {NGram: -1}, "L2 = NaN": {L2: math.NaN()}, "MinCount": {MinCount: 1000}} {
		if _, err := eval.TrainBagOfWords(wordy(rltest.Rand(1), 3), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := eval.TrainBagOfWords(nil, eval.BagOfWords{}); err == nil {
		t.Error("no comparisons pass")
	}
	for _, l2 := range []float64{1e-4, 1e4} {
		if _, err := eval.TrainBagOfWords(wordy(rltest.Rand(1), 50), eval.BagOfWords{L2: l2}); err != nil {
			t.Errorf("λ = %v: %v", l2, err)
		}
	}
}

// folds cuts comparisons into five parts by their openings.
func folds(cs []rlhf.Comparison) (parts [5][]rlhf.Comparison) {
	for k := range 4 {
		cs, parts[k] = data.Split(cs, 1/float64(5-k), uint64(k))
	}
	parts[4] = cs
	return parts
}

// crossValidated judges every comparison by a bag that has not seen its opening.
func crossValidated(t *testing.T, cs []rlhf.Comparison) (js []eval.Judged) {
	t.Helper()
	parts := folds(cs)
	for k := range parts {
		var train []rlhf.Comparison
		for i, part := range parts {
			if i != k {
				train = append(train, part...)
			}
		}
		b, err := eval.TrainBagOfWords(train, eval.BagOfWords{})
		if err != nil {
			t.Fatal(err)
		}
		js = append(js, b.Judge(parts[k])...)
	}
	return js
}

// What bags of words reach on real comparisons, over five folds: about .62 and .61
// on the two base tranches, and far less if one bag is trained on all, as what helpful
// labels praise in a response harmless labels punish.
func TestBagOnReleasedComparisons(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: 25 fits on 5,000 comparisons")
	}
	cs, _, err := data.Load(rltest.Data(t, "hh-rlhf"), data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cs, _ = data.Dedup(cs)
	report := func(how string, js []eval.Judged) map[string]rlhf.Accuracy {
		by := map[string]rlhf.Accuracy{}
		for _, a := range append(eval.ByTranche(js), eval.Accuracy("all", js)) {
			t.Logf("%s, %-26s %5d pairs  %.4f ± %.4f", how, a.Name, a.N, a.Value, math.Sqrt(a.Value*(1-a.Value)/float64(a.N)))
			by[a.Name] = a
		}
		return by
	}
	byTranche := map[string][]rlhf.Comparison{}
	for _, c := range cs {
		byTranche[c.Tranche] = append(byTranche[c.Tranche], c)
	}
	var js []eval.Judged
	for _, a := range []string{"harmless-base", "helpful-base", "helpful-online", "helpful-rejection-sampled"} {
		js = append(js, crossValidated(t, byTranche[a])...)
	}
	own := report("a bag each", js)
	mixed := report("one bag for all", crossValidated(t, cs))
	for name, want := range map[string]float64{"harmless-base": 0.62, "helpful-base": 0.61} {
		rltest.Close(t, name, own[name].Value, want, 0.015)
		rltest.NotClose(t, name+", one bag for all", mixed[name].Value, want, 0.015)
	}
	if diff := cmp.Diff(len(cs), own["all"].N); diff != "" {
		t.Error(diff)
	}
}
