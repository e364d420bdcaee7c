package eval_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// softmaxBehind is log softmax(logits/T), what a model that is sampled at T gives each
// occupation behind one term.
func softmaxBehind(logits []float64, temperature float64) []float64 {
	sum := 0.0
	for _, z := range logits {
		sum += math.Exp(z / temperature)
	}
	out := make([]float64, len(logits))
	for i, z := range logits {
		out[i] = z/temperature - math.Log(sum)
	}
	return out
}

// known is a model of which everything is known: three pairs of terms, four occupations.
// What a male term gives occupation i its female one gives occupation 3−i, so that the
// normalisers behind both are equal at every temperature.
func known(temperature float64, mirrored bool) []eval.Occupation {
	logits := [][]float64{{0.3, -1.2, 0.8, 2.1}, {1.4, 0.2, -0.7, 0.9}, {-0.5, 0.4, 0.1, 1.3}}
	names := []string{"nurse", "baker", "pilot", "smith"}
	os := make([]eval.Occupation, len(names))
	for i := range os {
		os[i].Name = names[i]
	}
	for _, z := range logits {
		male := append([]float64{}, z...)
		for i := range male {
			male[i] = z[len(z)-1-i]
			if !mirrored {
				male[i] = 2 * z[i]
			}
		}
		f, m := softmaxBehind(z, temperature), softmaxBehind(male, temperature)
		for i := range os {
			os[i].Female, os[i].Male = append(os[i].Female, f[i]), append(os[i].Male, m[i])
		}
	}
	return os
}

func genderOf(t *testing.T, os []eval.Occupation) eval.Gender {
	t.Helper()
	g, err := eval.GenderBias(os)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Two occupations and two pairs, worked out by hand.
func TestGenderBiasByHand(t *testing.T) {
	ln := math.Log
	g := genderOf(t, []eval.Occupation{
		{Name: "nurse", Female: []float64{ln(0.4), ln(0.2)}, Male: []float64{ln(0.1), ln(0.1)}},   // ratios 4 and 2
		{Name: "smith", Female: []float64{ln(0.1), ln(0.05)}, Male: []float64{ln(0.8), ln(0.05)}}, // 1/8 and 1
	})
	rltest.Close(t, "B_O", g.Leans(), []float64{1.5 * ln(2), -1.5 * ln(2)}, rltest.Float64)
	rltest.Close(t, "B", g.B, 1.5*ln(2), rltest.Float64)
	rltest.Close(t, "standard error", g.Occupations[0].SE, ln(2)/2, rltest.Float64)
	// The usual mistakes: the mean of ratios instead of their logarithms, and of B_O instead of |B_O|.
	rltest.NotClose(t, "logarithm of the mean ratio", g.Leans()[0], ln(3), 0.01)
	rltest.NotClose(t, "without the absolute value", g.B, (g.Leans()[0]+g.Leans()[1])/2, 0.01)
	// Positive is female, as the equation has it and figure 40's caption has not.
	if g.Occupations[0].Lean <= 0 {
		t.Error("nurse, likelier behind the female terms, leans to the male ones")
	}
}

// B goes with 1/T exactly where the normalisers are equal, and not where they are not.
func TestGenderBiasGoesWithTemperature(t *testing.T) {
	one := genderOf(t, known(1, true))
	for _, temperature := range []float64{0.25, 0.6, 2} {
		got := genderOf(t, known(temperature, true))
		rltest.Close(t, "B", got.B*temperature, one.B, rltest.Float64)
		rltest.NotClose(t, "B without the factor", got.B, one.B, 1e-2)
		rltest.NotClose(t, "B of unequal normalisers", genderOf(t, known(temperature, false)).B*temperature, genderOf(t, known(1, false)).B, 1e-2)
		s, err := eval.Shifted(one, got)
		if err != nil {
			t.Fatal(err)
		}
		rltest.Close(t, "temperature", s.Temperature, temperature, rltest.Float64)
		rltest.Close(t, "correlation", s.R, 1, 1e-12)
	}
	if one.B <= 0 || one.Low > one.B || one.High < one.B {
		t.Errorf("B %v of %v to %v", one.B, one.Low, one.High)
	}
}

// Swapping the terms turns every lean round and leaves B.
func TestGenderBiasTurnsRound(t *testing.T) {
	os := known(1, false)
	a := genderOf(t, os)
	for i := range os {
		os[i].Female, os[i].Male = os[i].Male, os[i].Female
	}
	b := genderOf(t, os)
	rltest.Close(t, "B", b.B, a.B, rltest.Float64)
	for i, x := range a.Leans() {
		rltest.Close(t, "B_O", b.Leans()[i], -x, rltest.Float64)
	}
}

func TestCorrelated(t *testing.T) {
	c := rltest.Golden(t, "correlations")
	t.Log(c.Doc)
	x, y := rltest.Get[[]float64](t, c.In, "a"), rltest.Get[[]float64](t, c.In, "b")
	r, err := eval.Correlated(x, y)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "r", r.Value, rltest.Get[float64](t, c.Out, "pearson"), c.Tol)
	x[0] += 0.1
	nudged, _ := eval.Correlated(x, y)
	rltest.NotClose(t, "r of other numbers", nudged.Value, r.Value, c.Tol)
	if !(r.Low < r.Value && r.Value < r.High) {
		t.Errorf("%+v", r)
	}
}

// The interval covers the truth as often as it says, for a correlation of 0.6.
func TestCorrelatedCovers(t *testing.T) {
	rng := rltest.Rand(5)
	covered, tries := 0, 2000
	for range tries {
		x, y := make([]float64, 20), make([]float64, 20)
		for i := range x {
			x[i] = rng.NormFloat64()
			y[i] = 0.6*x[i] + 0.8*rng.NormFloat64()
		}
		if r, err := eval.Correlated(x, y); err == nil && r.Low <= 0.6 && 0.6 <= r.High {
			covered++
		}
	}
	if share := float64(covered) / float64(tries); share < 0.93 || share > 0.97 {
		t.Errorf("95 %% intervals cover %.3f", share)
	}
}

func TestGenderErrors(t *testing.T) {
	nan := math.NaN()
	for want, os := range map[string][]eval.Occupation{
		"no occupations":      nil,
		"1 female and 2 male": {{Name: "cook", Female: []float64{1}, Male: []float64{1, 2}}},
		"at least 1":          {{Name: "cook"}},
		`pair 1 of "cook"`:    {{Name: "cook", Female: []float64{1, nan}, Male: []float64{1, 2}}},
		"-Inf":                {{Name: "cook", Female: []float64{1}, Male: []float64{math.Inf(-1)}}},
	} {
		if _, err := eval.GenderBias(os); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	a, b := genderOf(t, known(1, true)), genderOf(t, known(1, true)[:3])
	if _, err := eval.Shifted(a, b); err == nil {
		t.Error("models of other occupations are compared")
	}
	for want, xy := range map[string][2][]float64{
		"at least 4": {{1, 2, 3}, {1, 2, 3}}, "equally many": {{1, 2, 3, 4}, {1}}, "correlates with nothing": {{1, 1, 1, 1}, {1, 2, 3, 4}},
	} {
		if _, err := eval.Correlated(xy[0], xy[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
