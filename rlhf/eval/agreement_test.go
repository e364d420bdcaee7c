package eval_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// Cohen's own kind of table: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no has
// p = 0.7, e = 0.5, κ = 0.4.
func TestKappaByHand(t *testing.T) {
	var a, b []int8
	add := func(n int, x, y int8) {
		for range n {
			a, b = append(a, x), append(b, y)
		}
	}
	add(20, 1, 1)
	add(5, 1, -1)
	add(10, -1, 1)
	add(15, -1, -1)
	add(7, 0, 1) // undecided
	add(3, -1, 0)
	table, err := eval.Agreement([]string{"a", "b"}, [][]int8{a, b})
	if err != nil {
		t.Fatal(err)
	}
	low, high := eval.WilsonInterval(35, 50, eval.Z95)
	want := []eval.Agreed{{A: "a", B: "b", Share: rlhf.Accuracy{Name: "a, b", N: 50, Value: 0.7, Low: low, High: high}, Kappa: 0.4}}
	if diff := cmp.Diff(want, table, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Error(diff)
	}
	rltest.NotClose(t, "undecided counted as disagreement", table[0].Share.Value, 35.0/60, 0.1)
}

// Three raters of a hidden truth: the table has every two of them, in order.
func TestAgreementOfThree(t *testing.T) {
	rng := rltest.Rand(1)
	names, noise := []string{"crowd", "researcher", "model"}, []float64{0.3, 0.2, 0.25}
	choices := make([][]int8, 3)
	const n = 40000
	for range n {
		truth := int8(1 - 2*rng.IntN(2))
		for r := range choices {
			c := truth
			if rng.Float64() < noise[r] {
				c = -c
			}
			choices[r] = append(choices[r], c)
		}
	}
	table, err := eval.Agreement(names, choices)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, x := range table {
		order = append(order, x.Share.Name)
		var p, q float64
		for r, name := range names {
			if name == x.A {
				p = noise[r]
			}
			if name == x.B {
				q = noise[r]
			}
		}
		want := p*q + (1-p)*(1-q)
		if x.Share.Low > want || x.Share.High < want {
			t.Errorf("%s: %+v, expected %.3f", x.Share.Name, x.Share, want)
		}
		rltest.Close(t, "κ", x.Kappa, 2*want-1, 0.02) // sides are even: chance is a half
		rltest.NotClose(t, "κ of chance", x.Kappa, 0.0, 0.02)
	}
	if diff := cmp.Diff([]string{"crowd, researcher", "crowd, model", "researcher, model"}, order); diff != "" {
		t.Error(diff)
	}
}

// With the chosen side always first the labeller has no second choice to be
// compared with, and κ is 0 for a model that is right four times in five.
func TestSidesDoNotKnowTheAnswer(t *testing.T) {
	var js []eval.Judged
	always, model := []int8{}, []int8{}
	for i := range 1000 {
		j := eval.Judged{Chosen: 1}
		if i%5 == 0 {
			j = eval.Judged{Rejected: 1}
		}
		js = append(js, j)
		always, model = append(always, 1), append(model, int8(2*j.Chosen-1))
	}
	labeller, scorer := eval.Sides(js)
	fair, err := eval.Agreement([]string{"labeller", "model"}, [][]int8{labeller, scorer})
	if err != nil {
		t.Fatal(err)
	}
	unfair, err := eval.Agreement([]string{"labeller", "model"}, [][]int8{always, model})
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "share", []float64{fair[0].Share.Value, unfair[0].Share.Value}, []float64{0.8, 0.8}, 1e-12)
	rltest.Close(t, "κ", []float64{fair[0].Kappa, unfair[0].Kappa}, []float64{0.6, 0}, 1e-9)
	if _, scorer = eval.Sides(make([]eval.Judged, 1)); scorer[0] != 0 {
		t.Error("a tie is decided")
	}
}

func TestAgreementErrors(t *testing.T) {
	for want, c := range map[string][][]int8{
		"2 names for the choices of 1": {{1}}, "the same items": {{1}, {1, -1}}, "says 2 of item 0": {{1}, {2}},
	} {
		if _, err := eval.Agreement([]string{"a", "b"}, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, c := range [][][]int8{{{0}, {1}}, {{1}, {1}}, {{}, {}}} { // nothing in common, no variation, nothing
		table, err := eval.Agreement([]string{"a", "b"}, c)
		if err != nil || table[0].Kappa != 0 {
			t.Errorf("%v: %+v, %v", c, table, err)
		}
	}
}

func TestPreferAndJudge(t *testing.T) {
	a, err := eval.Prefer([]float64{2, 1, 0, 5}, []float64{1, 1, 3, 4})
	if err != nil || a.Value != 2.5/4 || a.N != 4 {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := eval.Prefer([]float64{1}, nil); err == nil {
		t.Error("unequal lists pass")
	}
	// Long and likely answers: log P(a|q) prefers the short one, I(a, q) the one
	// that the question makes likelier.
	with, without := []float64{-30, -12}, []float64{-50, -13}
	i, err := eval.MutualInformation(with, without)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "I", i, []float64{20, 1}, 0)
	if byInformation, _ := eval.Prefer(i[:1], i[1:]); byInformation.Value != 1 {
		t.Error("mutual information prefers the wrong answer")
	}
	if byLikelihood, _ := eval.Prefer(with[:1], with[1:]); byLikelihood.Value != 0 {
		t.Error("the test cannot tell I(a, q) from log P(a|q)")
	}
	if _, err := eval.MutualInformation(with, without[1:]); err == nil {
		t.Error("unequal lists pass")
	}

	cs := []rlhf.Comparison{comparison(1, 1, "", 3, 5), comparison(2, 1, "", 7, 2)}
	length := func(ts []rlhf.Transcript) (out []float64, err error) {
		for _, t := range ts {
			out = append(out, float64(len(t.Response)))
		}
		return out, nil
	}
	js, err := eval.Judge(cs, length)
	if diff := cmp.Diff([]eval.Judged{{3, 5, cs[0]}, {7, 2, cs[1]}}, js); diff != "" || err != nil {
		t.Error(diff, err)
	}
	broken := errors.New("broken")
	if _, err := eval.Judge(cs, func([]rlhf.Transcript) ([]float64, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := eval.Judge(cs, func([]rlhf.Transcript) ([]float64, error) { return nil, nil }); err == nil {
		t.Error("no scores pass")
	}
}
