package eval_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hhrlhf/rlhf"
	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// comparison is the turn-th of conversation number c; the responses have the
// lengths given.
func comparison(c, turn int, tranche string, chosen, rejected int) rlhf.Comparison {
	prompt := fmt.Sprint(rlhf.Human, " question ", c) + strings.Repeat(rlhf.Assistant+" so\n\nHuman: and?", turn-1) + rlhf.Assistant
	return rlhf.Comparison{
		Chosen:   rlhf.Transcript{Prompt: prompt, Response: strings.Repeat("x", chosen)},
		Rejected: rlhf.Transcript{Prompt: prompt, Response: strings.Repeat("y", rejected)}, Tranche: tranche,
	}
}

// draw makes pairs whose labels follow P(chosen) = σ(slope·Δ): a model that is
// calibrated at slope 1.
func draw(rng *rand.Rand, n int, slope float64) []eval.Judged {
	js := make([]eval.Judged, n)
	for i := range js {
		a, b := rng.NormFloat64(), rng.NormFloat64()
		if rng.Float64() > 1/(1+math.Exp(-slope*(a-b))) {
			a, b = b, a
		}
		js[i] = eval.Judged{Chosen: a, Rejected: b, Comparison: comparison(i, 1+i%6, "t", 1+rng.IntN(9), 1+rng.IntN(9))}
	}
	return js
}

// A tie counted as wrong makes a model that scores everything alike worse than
// a coin.
func TestATieCountsHalf(t *testing.T) {
	js := []eval.Judged{{Chosen: 1}, {Rejected: 2}, {Chosen: 1, Rejected: 1}, {Chosen: 3}}
	rltest.Close(t, "accuracy", eval.Accuracy("", js).Value, 2.5/4, 0)
	rltest.NotClose(t, "tie counted as wrong", eval.Accuracy("", js).Value, 2.0/4, 1e-3)
	rltest.Close(t, "all alike", eval.Accuracy("", make([]eval.Judged, 7)).Value, 0.5, 0)
	low, high := eval.WilsonInterval(2.5, 4, eval.Z95)
	want := rlhf.Accuracy{Name: "all", N: 4, Value: 0.625, Low: low, High: high}
	if diff := cmp.Diff(want, eval.Accuracy("all", js)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(rlhf.Accuracy{Name: "none", High: 1}, eval.Accuracy("none", nil)); diff != "" {
		t.Error(diff)
	}
}

func TestByTrancheAndTurn(t *testing.T) {
	js := []eval.Judged{
		{Chosen: 1, Comparison: comparison(1, 1, "b", 1, 2)}, {Chosen: 1, Comparison: comparison(1, 2, "b", 1, 2)},
		{Rejected: 1, Comparison: comparison(2, 2, "a", 1, 2)}, {Chosen: 1, Comparison: comparison(2, 5, "b", 1, 2)},
		{Rejected: 1, Comparison: comparison(2, 7, "b", 1, 2)},
	}
	type row struct {
		name  string
		n     int
		value float64
	}
	for _, c := range []struct {
		got  []rlhf.Accuracy
		want []row
	}{
		{eval.ByTranche(js), []row{{"a", 1, 0}, {"b", 4, 0.75}}},
		{eval.ByTurn(js), []row{{"1", 1, 1}, {"2", 2, 0.5}, {"5+", 2, 0.5}}},
	} {
		if len(c.got) != len(c.want) {
			t.Fatalf("%v, want %v", c.got, c.want)
		}
		for i, w := range c.want {
			if g := c.got[i]; g.Name != w.name || g.N != w.n || g.Value != w.value {
				t.Errorf("%+v, want %+v", g, w)
			}
		}
	}
}

// Plain twins, by brute force.
func TestMeasuresAgainstTheirFormulas(t *testing.T) {
	js := draw(rltest.Rand(1), 300, 1)
	for i := range js[:40] { // some gaps wide enough to have no gradient
		js[i].Chosen += 5
	}
	e, err := eval.PM(js)
	if err != nil {
		t.Fatal(err)
	}
	var loss, brier, zero, mean, square float64
	var x, y []float64 // length and score, each pair's mean taken off
	for _, j := range js {
		p := 1 / (1 + math.Exp(j.Rejected-j.Chosen))
		loss -= math.Log(p) / 300
		brier += (1 - p) * (1 - p) / 300 // which |Δ| and its label give too
		if 1-p < 0.01 {
			zero += 1.0 / 300
		}
		a, b := float64(len(j.Comparison.Chosen.Response)), float64(len(j.Comparison.Rejected.Response))
		x = append(x, a-(a+b)/2, b-(a+b)/2)
		y = append(y, j.Chosen-(j.Chosen+j.Rejected)/2, j.Rejected-(j.Chosen+j.Rejected)/2)
		mean += (j.Chosen + j.Rejected) / 600
	}
	var xy, xx, yy float64
	for i := range x {
		xy, xx, yy = xy+x[i]*y[i], xx+x[i]*x[i], yy+y[i]*y[i]
	}
	for _, j := range js {
		square += (j.Chosen-mean)*(j.Chosen-mean) + (j.Rejected-mean)*(j.Rejected-mean)
	}
	if zero == 0 {
		t.Fatal("no pair without gradient: the test sees nothing")
	}
	got := []float64{e.Loss, e.Brier, e.ZeroGrad, e.LengthCorr, e.Mean, e.SD}
	want := []float64{loss, brier, zero, xy / math.Sqrt(xx*yy), mean, math.Sqrt(square / 599)}
	rltest.Close(t, "loss, Brier, zero gradient, length, mean, sd", got, want, rltest.Float64)
	js[0].Chosen += 1e-4
	moved, _ := eval.PM(js)
	rltest.NotClose(t, "a score moved", []float64{moved.Loss, moved.Mean}, []float64{loss, mean}, rltest.Float64)
	if e.All.N != 300 || len(e.Tranches) != 1 || len(e.Turns) != 5 || len(e.Thresholds) != 9 || len(e.Bins) != 8 || len(e.Notes) != 0 {
		t.Errorf("%+v", e)
	}
}

func TestPMWithoutWhatItNeeds(t *testing.T) {
	if _, err := eval.PM(nil); err == nil || !strings.Contains(err.Error(), "HeldOut") {
		t.Errorf("no comparisons: %v", err)
	}
	bad := []eval.Judged{{Chosen: 1}, {Rejected: math.NaN(), Comparison: rlhf.Comparison{Source: "f.jsonl:7"}}}
	if _, err := eval.PM(bad); err == nil || !strings.Contains(err.Error(), "f.jsonl:7") {
		t.Errorf("NaN: %v", err)
	}
	// An untrained model scores everything alike; one bad note, and valid JSON.
	e, err := eval.PM(make([]eval.Judged, 30))
	if err != nil || len(e.Notes) != 1 || e.All.Value != 0.5 || math.Abs(e.Loss-math.Ln2) > 1e-15 {
		t.Errorf("all alike: %+v, %v", e, err)
	}
	if _, err := json.Marshal(e); err != nil {
		t.Error(err)
	}
	one, err := eval.PM([]eval.Judged{{Chosen: 1}})
	if err != nil {
		t.Error(err)
	}
	if _, err := json.Marshal(one); err != nil {
		t.Error(err)
	}
}

func TestAgainst(t *testing.T) {
	js := []eval.Judged{
		{Chosen: 1, Comparison: comparison(0, 1, "true", 1, 1)}, {Chosen: 1, Comparison: comparison(1, 1, "false", 1, 1)},
		{Rejected: 1, Comparison: comparison(2, 1, "false", 1, 1)}, {Chosen: 1, Comparison: comparison(3, 1, "?", 1, 1)},
	}
	a := eval.Against("truth", js, func(c rlhf.Comparison) (bool, bool) { return c.Tranche == "true", c.Tranche != "?" })
	if a.N != 3 || math.Abs(a.Value-2.0/3) > 1e-15 || js[1].Chosen != 1 {
		t.Errorf("%+v; the pairs are now %v", a, js[1])
	}
}

// Slope and temperature are one fit, k = 1/T, and it does not matter whether Δ or
// its absolute value is regressed on.
func TestSlopeIsInverseTemperature(t *testing.T) {
	js := draw(rltest.Rand(3), 2000, 0.5)
	p, y := eval.Outcomes(js)
	var gap, signed, ones []float64
	for i, j := range js {
		gap, signed, ones = append(gap, math.Abs(j.Gap())), append(signed, j.Gap()), append(ones, 1)
		rltest.Close(t, "p", p[i], 1/(1+math.Exp(-gap[i])), rltest.Float64)
	}
	k, se, err := eval.Slope(js)
	if err != nil {
		t.Fatal(err)
	}
	byAbs, err := eval.FitTemperature(gap, y)
	if err != nil {
		t.Fatal(err)
	}
	bySign, err := eval.FitTemperature(signed, ones)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "1/T", []float64{1 / byAbs, 1 / bySign}, []float64{k, k}, rltest.Float64)
	if math.Abs(k-0.5) > 3*se || se > 0.1 {
		t.Errorf("k = %.3f ± %.3f, drawn with 0.5", k, se)
	}
	// By brute force: no k nearby has a lower loss.
	loss := func(k float64) (l float64) {
		for _, d := range signed {
			l += math.Log1p(math.Exp(-k * d))
		}
		return l
	}
	for _, step := range []float64{-1e-3, 1e-3} {
		if loss(k+step) <= loss(k) {
			t.Errorf("the loss at %v is below that at the fit", k+step)
		}
	}
}

// The standard error covers the truth at its rate, also where whole conversations
// share their fate; one that takes pairs for independent is too small there.
func TestSlopeErrorIsClustered(t *testing.T) {
	const trials, copies = 200, 4
	inside, naive := 0, 0
	for trial := range trials {
		rng := rltest.Rand(uint64(100 + trial))
		var js, apart []eval.Judged
		for i, j := range draw(rng, 100, 1) {
			for c := range copies { // the same turn over and over
				js = append(js, j)
				j.Comparison = comparison(1000*i+c, 1, "", 1, 1)
				apart = append(apart, j)
				j.Comparison = js[len(js)-1].Comparison
			}
		}
		k, se, err := eval.Slope(js)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(k-1) < 2*se {
			inside++
		}
		if k, se, err = eval.Slope(apart); err != nil {
			t.Fatal(err)
		}
		if math.Abs(k-1) < 2*se {
			naive++
		}
	}
	if share := float64(inside) / trials; share < 0.90 || share > 0.99 {
		t.Errorf("±2 s.e. covers the truth in %.3f of trials, want about 0.95", share)
	}
	if share := float64(naive) / trials; share > 0.80 {
		t.Errorf("as if independent it covers %.3f: the test cannot tell them apart", share)
	}
}

func TestSlopeErrors(t *testing.T) {
	for want, js := range map[string][]eval.Judged{
		"every gap is zero": {{}, {}}, "separate": {{Chosen: 1}, {Chosen: 2}}, "wrong way": {{Rejected: 1}, {Rejected: 3}},
		"finite": {{Chosen: math.NaN()}},
	} {
		if k, _, err := eval.Slope(js); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: k = %v, %v", want, k, err)
		}
	}
	// A model that is wrong more often than right has a finite, negative slope.
	if k, se, err := eval.Slope([]eval.Judged{{Chosen: 1}, {Rejected: 1}, {Rejected: 1}}); err != nil || math.Abs(k+math.Ln2) > 1e-12 || se <= 0 {
		t.Errorf("k = %v ± %v, %v; want −ln 2", k, se, err)
	}
}

// Over the signed Δ with label 1 throughout every bin is right and the error of
// calibration is that of confidence; the measure here is a different one.
func TestCalibrationUsesThePreferredSide(t *testing.T) {
	js := draw(rltest.Rand(4), 4000, 1)
	e, err := eval.PM(js)
	if err != nil {
		t.Fatal(err)
	}
	if floor := eval.ChanceECE(e.Bins); e.ECE > 2.5*floor || floor > 0.03 {
		t.Errorf("a calibrated model has ECE %.4f, %.4f expected by chance", e.ECE, floor)
	}
	p, y := make([]float64, len(js)), make([]float64, len(js))
	for i, j := range js {
		p[i], y[i] = 1/(1+math.Exp(-j.Gap())), 1
	}
	bins, err := eval.EqualMassBins(p, y, 8)
	if err != nil {
		t.Fatal(err)
	}
	wrong, _ := eval.CalibrationErrors(bins)
	rltest.NotClose(t, "signed Δ, label 1", wrong, e.ECE, 0.2)

	over := draw(rltest.Rand(4), 4000, 0.4) // too confident
	f, err := eval.PM(over)
	if err != nil {
		t.Fatal(err)
	}
	if f.ECE < 4*eval.ChanceECE(f.Bins) || f.Slope > 0.6 {
		t.Errorf("an overconfident model has ECE %.4f, slope %.3f", f.ECE, f.Slope)
	}
	n := 0
	for i, b := range f.Bins {
		n += b.N
		if b.Lo > b.Hi || i > 0 && b.Lo != f.Bins[i-1].Hi {
			t.Errorf("bins %+v", f.Bins)
		}
	}
	if n != len(over) {
		t.Errorf("the bins hold %d of %d pairs", n, len(over))
	}
}

// ChanceECE is what a calibrated model shows on average.
func TestChanceECE(t *testing.T) {
	var seen, said float64
	const trials = 100
	for trial := range trials {
		e, err := eval.PM(draw(rltest.Rand(uint64(500+trial)), 400, 1))
		if err != nil {
			t.Fatal(err)
		}
		seen, said = seen+e.ECE/trials, said+eval.ChanceECE(e.Bins)/trials
	}
	rltest.Close(t, "mean ECE, relative", seen/said, 1.0, 0.1)
	rltest.NotClose(t, "perfection", seen/said, 0.0, 0.1)
}

// Without mean-matching the thresholds would depend on the model's zero, which
// means nothing.
func TestThresholdsIgnoreTheZeroOfScores(t *testing.T) {
	js := draw(rltest.Rand(5), 500, 1)
	shifted := make([]eval.Judged, len(js))
	for i, j := range js {
		shifted[i] = eval.Judged{Chosen: j.Chosen + 7, Rejected: j.Rejected + 7}
	}
	at := []float64{-1, 0, 0.5}
	rows := func(js []eval.Judged) (out [][]float64) {
		for _, th := range eval.Thresholds(js, at...) {
			out = append(out, []float64{th.Above, float64(th.Accuracy.N), th.Accuracy.Value})
		}
		return out
	}
	got := rows(js)
	rltest.Close(t, "shifted", rows(shifted), got, 0)

	mean := 0.0
	for _, j := range js {
		mean += (j.Chosen + j.Rejected) / 1000
	}
	plain := func(js []eval.Judged, mean float64) (out [][]float64) {
		for _, a := range at {
			n, right := 0.0, 0.0
			for _, j := range js {
				if j.Chosen-mean > a && j.Rejected-mean > a {
					n++
					if j.Chosen > j.Rejected {
						right++
					}
				}
			}
			out = append(out, []float64{a, n, right / max(n, 1)})
		}
		return out
	}
	rltest.Close(t, "twin", got, plain(js, mean), rltest.Float64)
	rltest.NotClose(t, "not mean-matched", plain(shifted, 0), got, 0.1)

	last := len(js)
	for i, th := range eval.Thresholds(js) {
		if want := len(js) * (9 - i) / 10; th.Accuracy.N != want || th.Accuracy.N >= last {
			t.Errorf("decile %d keeps %d pairs, want %d", i+1, th.Accuracy.N, want)
		}
		last = th.Accuracy.N
	}
}
