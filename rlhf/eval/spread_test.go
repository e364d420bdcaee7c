package eval_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// scored makes the scores of a preference model: of the occupation, of the meaning of the
// pair (woman and man share it), of the gender, and noise.
func scored(seed uint64, n, pairs int, meaning, gender, noise float64) []eval.Occupation {
	rng := rltest.Rand(seed)
	os := make([]eval.Occupation, n)
	for k := range os {
		os[k].Name = "occupation"
		base := 3 * rng.NormFloat64()
		for range pairs {
			shared := base + meaning*rng.NormFloat64()
			os[k].Female = append(os[k].Female, shared+gender+noise*rng.NormFloat64())
			os[k].Male = append(os[k].Male, shared+noise*rng.NormFloat64())
		}
	}
	return os
}

func TestSpreadByHand(t *testing.T) {
	s, err := eval.SpreadOfScores([]eval.Occupation{
		{Name: "nurse", Female: []float64{3, 1}, Male: []float64{2, 2}}, // cross 1, −1; apart 1, −1; within 2, 0
		{Name: "smith", Female: []float64{0, 0}, Male: []float64{2, 4}}, // cross −2, −4; apart −4, −2; within 0, 2
	})
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "cross", s.Cross, math.Sqrt((1+1+4+16)/4.0), rltest.Float64)
	rltest.Close(t, "apart", s.Apart, math.Sqrt((1+1+16+4)/4.0), rltest.Float64)
	rltest.Close(t, "within", s.Within, math.Sqrt((4+0+0+4)/4.0), rltest.Float64)
	rltest.Close(t, "mean", s.Mean.Value, -1.5, rltest.Float64)
	// The usual mistake: mixing occupations, whose scores differ for reasons of their own.
	rltest.NotClose(t, "within, occupations mixed", s.Within, math.Sqrt(1.0/6*(9+1+9+1+1+0)), 0.05)
}

// A model that is blind to gender has an Apart that is its Within; that Cross is below
// Within says only that the terms of a pair mean the same.
func TestSpreadOfBlindModel(t *testing.T) {
	blind, err := eval.SpreadOfScores(scored(1, 400, 12, 1, 0, 0.3))
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "fair", blind.Fair.Value, 1, 0.02)
	if blind.Fair.Low > 1 || blind.Fair.High < 1 {
		t.Errorf("fair ratio %+v", blind.Fair)
	}
	rltest.Close(t, "cross over within", blind.Ratio.Value, 0.3/math.Sqrt(1+0.09), 0.02)
	rltest.NotClose(t, "the paper's ratio of a blind model", blind.Ratio.Value, 1, 0.5)
	if blind.Mean.Low > 0 || blind.Mean.High < 0 {
		t.Errorf("mean %+v of a model that is blind", blind.Mean)
	}
	biased, err := eval.SpreadOfScores(scored(1, 400, 12, 1, 2, 0.3))
	if err != nil {
		t.Fatal(err)
	}
	if biased.Fair.Low <= 1 || biased.Mean.Low <= 0 {
		t.Errorf("a model that prefers women: %+v", biased)
	}
	rltest.Close(t, "mean", biased.Mean.Value, 2, 0.05)
}

func TestSpreadErrors(t *testing.T) {
	one := scored(1, 1, 3, 1, 0, 1)
	two := scored(1, 2, 3, 1, 0, 1)
	two[1].Male = two[1].Male[:2]
	broken := scored(1, 2, 3, 1, 0, 1)
	broken[0].Female[2] = math.NaN()
	flat := []eval.Occupation{{Name: "a", Female: []float64{1, 1}, Male: []float64{1, 1}}, {Name: "b", Female: []float64{1, 1}, Male: []float64{1, 1}}}
	for want, os := range map[string][]eval.Occupation{"1 occupations": one, "3 female and 2 male": two, "no number": broken, "nothing to compare": flat} {
		if _, err := eval.SpreadOfScores(os); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
