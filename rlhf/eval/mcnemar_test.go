package eval_test

import (
	"math"
	"strings"
	"testing"

	"hhrlhf/rlhf/eval"
	"hhrlhf/rlhf/internal/rltest"
)

// answers builds two models' answers from a two-by-two table.
func answers(both, lost, gained, neither int) (first, second []bool) {
	add := func(n int, a, b bool) {
		for range n {
			first, second = append(first, a), append(second, b)
		}
	}
	add(both, true, true)
	add(lost, true, false)
	add(gained, false, true)
	add(neither, false, false)
	return first, second
}

// By hand, n = 20: 6 gained, 2 lost. The exact P is 2·(1 + 8 + 28)/2⁸.
func TestMcNemarByHand(t *testing.T) {
	first, second := answers(7, 2, 6, 5)
	f, err := eval.McNemar(first, second)
	if err != nil {
		t.Fatal(err)
	}
	se := math.Sqrt(8-16.0/20) / 20
	rltest.Close(t, "change, se, low, high, p", []float64{f.Change, f.SE, f.Low, f.High, f.P},
		[]float64{0.2, se, 0.2 - eval.Z95*se, 0.2 + eval.Z95*se, 2 * 37.0 / 256}, rltest.Float64)
	if f.N != 20 || f.Gained != 6 || f.Lost != 2 {
		t.Errorf("%+v", f)
	}
	// The usual mistakes: the two shares taken for independent, and the test of the normal
	// distribution, which is far too sure of eight items.
	p, q := 9.0/20, 13.0/20
	rltest.NotClose(t, "the shares taken for independent", f.SE, math.Sqrt(p*(1-p)/20+q*(1-q)/20), 1e-2)
	rltest.NotClose(t, "the chi-squared test without correction", f.P, math.Erfc(4/math.Sqrt(8)/math.Sqrt2), 1e-2)
	back, err := eval.McNemar(second, first)
	if err != nil {
		t.Fatal(err)
	}
	rltest.Close(t, "the other way round", []float64{-back.Change, back.SE, back.P}, []float64{f.Change, f.SE, f.P}, rltest.Float64)
}

// The standard error is that of the mean of the differences 1, 0, −1.
func TestMcNemarAgainstDifferences(t *testing.T) {
	first, second := answers(31, 9, 17, 43)
	f, err := eval.McNemar(first, second)
	if err != nil {
		t.Fatal(err)
	}
	n, mean, square := float64(len(first)), 0.0, 0.0
	d := func(i int) float64 {
		v := 0.0
		if second[i] {
			v++
		}
		if first[i] {
			v--
		}
		return v
	}
	for i := range first {
		mean += d(i) / n
	}
	for i := range first {
		square += (d(i) - mean) * (d(i) - mean) / n
	}
	rltest.Close(t, "change, se", []float64{f.Change, f.SE}, []float64{mean, math.Sqrt(square / n)}, rltest.Float64)
}

func TestMcNemarAtTheEnds(t *testing.T) {
	first, second := answers(3, 0, 0, 2)
	f, err := eval.McNemar(first, second)
	if err != nil || f.P != 1 || f.Change != 0 || f.SE != 0 {
		t.Errorf("no difference: %+v, %v", f, err)
	}
	first, second = answers(0, 4, 4, 0)
	if f, err = eval.McNemar(first, second); err != nil || f.P != 1 {
		t.Errorf("as many gained as lost: %+v, %v", f, err) // twice the lower half is more than 1
	}
	if _, err := eval.McNemar(first, second[1:]); err == nil || !strings.Contains(err.Error(), "8 and 7 items") {
		t.Errorf("other items: %v", err)
	}
	if _, err := eval.McNemar(nil, nil); err == nil {
		t.Error("nothing was compared")
	}
}
